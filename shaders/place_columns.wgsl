// to[r, to_first + i] = from[r, from_first + i] for 0 <= r < rows and 0 <= i < width: some columns of words of a small matrix
// become columns of a large one. So the down projection is turned neuron-major a few rows of the file at a time.
// from [rows, from_stride] and to [rows, to_stride] are u32. One invocation: one word.
// Dispatch (width / 16, rows / 16), rounded up.
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> destination: array<u32>;
struct Params { rows: u32, width: u32, from_stride: u32, from_first: u32, to_stride: u32, to_first: u32 }
@group(0) @binding(9) var<uniform> params: Params;

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.rows) {
        return;
    }
    let word = source[id.y * params.from_stride + params.from_first + id.x];
    destination[id.y * params.to_stride + params.to_first + id.x] = word;
}
