// The package's worker with a GPU that computes nothing.
import "/load/null-gpu.js";
import "/plume-lm/dist/real-worker.js";
