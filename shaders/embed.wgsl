// y[t] = W[ids[t]] for those ids whose row lies in this part: first_row <= id < first_row + rows.
// W [rows, columns] is one part of the embedding; y [tokens, columns]. One invocation: four values.
// Dispatch (columns / 4 / 64, 1, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
struct Params { rows: u32, columns: u32, first_row: u32 }
@group(0) @binding(9) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x * 4u;
    let row = ids[id.z] - params.first_row; // Wraps to a large number below this part.
    if (column >= params.columns || row >= params.rows) {
        return;
    }
    let values = weights4(row, column, params.columns);
    for (var i = 0u; i < min(4u, params.columns - column); i++) {
        y[id.z * params.columns + column + i] = values[i];
    }
}
