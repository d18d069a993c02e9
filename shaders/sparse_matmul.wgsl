// y[t, o] += sum over the lists of token t of value * W[neuron, o], without workgroup memory or barriers, for processors that
// play a GPU; sparse_matmul_packed.wgsl computes the same for GPUs. Only active neurons' weights are read.
// W neuron-major [neurons, columns]; list [tokens, tiles, 16], (neuron, bits of the value), of which counts [tokens, tiles]
// are there (matvec.wgsl and compact.wgsl write them); y [tokens, columns].
// One invocation: 32 columns, so that what it loads of the list serves as often; where a processor plays a GPU, each
// invocation's loads are made one by one. For the same reason scales are loaded once for the neurons that share them.
// Dispatch (columns / 256, 1, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> list: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> counts: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
struct Params { columns: u32, tiles: u32 }
@group(0) @binding(9) var<uniform> params: Params;
#if SCALED
#else
/// Tiles of which a reader loads the scales at once, and those that have the same ones. Here there are none.
const LOADED = 1u;
const ALIKE = 1u;

fn quants32(row: u32, column: u32, columns: u32) -> array<vec4<f32>, 8> {
    return array<vec4<f32>, 8>(
#repeat i 8
        weights4(row, column + 4u * $i, columns),
#end
    );
}
#endif

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x * 32u;
    if (column >= params.columns) {
        return;
    }
    let first_tile = id.z * params.tiles;
    var sums: array<vec4<f32>, 8>;
    for (var block = 0u; block < params.tiles; block += LOADED) {
#if SCALED
        var words = scale_words32(block, column, params.columns);
#endif
#if BLOCKS_OF_256
        for (var part = block; part < block + LOADED; part += ALIKE) {
#else
        {
            let part = block; // A loop that ran once would be compiled as one, with all sums carried through it.
#endif
            // Sums of value times quant, and of values. Set to zero by hand: in browsers on SwiftShader an array that is declared
            // in a loop keeps what it had the last time round.
            var products: array<vec4<f32>, 8>;
#repeat i 8
            products[$i] = vec4<f32>();
#end
            var total = 0.0;
#repeat k 2
            if ($k < ALIKE) {
                let tile = first_tile + part + $k;
                let end = tile * 16u + counts[tile];
                for (var at = tile * 16u; at < end; at++) {
                    let neuron = list[at];
                    let value = bitcast<f32>(neuron.y);
                    var quants = quants32(neuron.x, column, params.columns);
#repeat i 8
                    products[$i] = fma(quants[$i], vec4<f32>(value), products[$i]);
#end
                    total += value;
                }
            }
#end
#if SCALED
            products = scaled32(&words, part, &products, total);
#endif
#repeat i 8
            sums[$i] += products[$i];
#end
        }
    }
    for (var i = 0u; i < min(32u, params.columns - column); i++) {
        y[id.z * params.columns + column + i] += sums[i / 4u][i & 3u];
    }
}
