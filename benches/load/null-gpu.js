// A GPU that takes everything and does nothing, in place of the browser's, so that what remains of a load is the host's own work.
// Whatever is read from it is zero.
const nothing = () => {};
const object = () => ({ label: "" });

const limits = new Proxy(GPUSupportedLimits.prototype, {
  get: (_, name) => (/^min/.test(String(name)) ? 256 : /^max\w+Size$/.test(String(name)) ? 2 ** 32 - 4 : 65535),
});

class NullBuffer {
  constructor({ size, usage }) {
    Object.assign(this, { size, usage, mapState: "unmapped", label: "" });
  }
  mapAsync = async () => {};
  getMappedRange = (offset = 0, length = this.size - offset) => new ArrayBuffer(length);
  unmap = nothing;
  destroy = nothing;
}

const pass = {
  label: "",
  setPipeline: nothing,
  setBindGroup: nothing,
  dispatchWorkgroups: nothing,
  dispatchWorkgroupsIndirect: nothing,
  end: nothing,
};
const encoder = {
  label: "",
  beginComputePass: () => pass,
  copyBufferToBuffer: nothing,
  clearBuffer: nothing,
  finish: object,
};

const info = { vendor: "none", architecture: "", device: "", description: "a GPU that computes nothing" };

class NullDevice extends EventTarget {
  label = "";
  features = new Set();
  limits = limits;
  adapterInfo = info;
  lost = new Promise(nothing);
  queue = { label: "", submit: nothing, writeBuffer: nothing, onSubmittedWorkDone: async () => {} };
  createBuffer = (descriptor) => new NullBuffer(descriptor);
  createShaderModule = () => ({ label: "", getCompilationInfo: async () => ({ messages: [] }) });
  createComputePipeline = () => ({ label: "", getBindGroupLayout: object });
  createBindGroup = object;
  createBindGroupLayout = object;
  createPipelineLayout = object;
  createCommandEncoder = () => encoder;
  pushErrorScope = nothing;
  popErrorScope = async () => null;
  destroy = nothing;
}

class NullAdapter {
  features = new Set();
  limits = limits;
  info = { ...info, isFallbackAdapter: false, subgroupMinSize: 4, subgroupMaxSize: 4 };
  requestDevice = async () => new NullDevice();
}

Object.defineProperty(navigator, "gpu", {
  value: { requestAdapter: async () => new NullAdapter(), wgslLanguageFeatures: new Set() },
});
