//! The kernels' WGSL, and what stands in it besides WGSL: a line `#include weights` is replaced by the reader of one weight
//! layout, lines between `#if NAME` and `#endif` (or `#else`) are kept where the kernel was asked for with NAME, lines between
//! `#repeat i N` and `#end` are written N times with 0u, 1u, ... for `$i`, since not every compiler unrolls loops, and what
//! [`Kernel::constants`] gives is declared ahead of everything.

/// One shader of `shaders/`, with what chooses its marked lines and its constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    /// Part of loading: it turns the down projection.
    PlaceColumns,
    Embed,
    /// Without `norm` rows are only padded.
    RmsNorm {
        norm: bool,
    },
    /// The product of many rows of `of`.
    Matmul {
        tiles: Tiles,
        of: Rows,
        add: bool,
    },
    /// One token's product.
    Matvec {
        lanes: u32,
        /// Whether lanes add up by subgroup operations; a subgroup has at least so many invocations then.
        subgroups: bool,
        norm: bool,
        epilogue: Epilogue,
    },
    /// `depth` is 1 where workgroups are to be narrow. With `expanded`, queries stay as they are but for their rotation.
    AppendAndAbsorb {
        depth: u32,
        expanded: bool,
    },
    /// For GPUs.
    LatentAttention(AttentionShape),
    /// The two halves of the same, for processors that play a GPU; widths in units of 4 values.
    LatentAttentionScores {
        entry: u32,
    },
    LatentAttentionValues {
        latent: u32,
        entry: u32,
    },
    ExpandedAttention(ExpandedShape),
    /// With `reduce`, several invocations share a value.
    ExpandValue {
        latent: u32,
        reduce: bool,
    },
    Compact,
    Choose,
    /// For processors that play a GPU.
    SparseMatmul,
    /// For GPUs.
    SparseMatmulPacked {
        column_lanes: u32,
        depth: u32,
    },
    AddBias,
    MaskLogits,
    /// One step of finding where the filters cut. More than 16 invocations add up in workgroup memory first.
    SampleSelect {
        width: u32,
    },
    /// The best token of each chunk, of those that the filters keep where it is `filtered`.
    SampleDraw {
        filtered: bool,
        width: u32,
    },
    SampleMerge {
        filtered: bool,
        penalised: bool,
        width: u32,
    },
}

/// What of a matmul's factors goes through workgroup memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tiles {
    /// None: for processors that play a GPU.
    None,
    F32,
    /// Rounded to f16, for devices that have shader-f16.
    F16,
}

/// What a matmul multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rows {
    /// Activations, with rows of the weights.
    Activations,
    /// Activations, with columns of the weights, which are neuron-major; tiled only.
    Neurons,
    /// The latents of the cache.
    Cache,
}

/// What a matvec does with its product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Epilogue {
    Store,
    Add,
    /// relu(y)^2, as lists.
    ReluSquared,
}

/// The constants of latent_attention.wgsl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AttentionShape {
    /// Fours of heads.
    pub quads: u32,
    /// In units of 4 values.
    pub latent: u32,
    /// In units of 4 values.
    pub entry: u32,
}

/// The constants of expanded_attention.wgsl and expanded_attention_tiled.wgsl, in units of 4 values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ExpandedShape {
    pub tiled: bool,
    pub nope: u32,
    pub value: u32,
    pub latent: u32,
    pub entry: u32,
}

/// The weight layout that a kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Variant {
    /// No weights.
    Plain,
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4K,
    Q6K,
    NeuronsQ8_0,
    NeuronsQ4_0,
    NeuronsQ4K,
    NeuronsQ6K,
}

// As scripts/shaders.rs has written it.
macro_rules! shader {
    ($($name:literal),+) => {
        concat!($(include_str!(concat!(env!("OUT_DIR"), "/", $name, ".wgsl"))),+)
    };
}

impl Variant {
    fn reader(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::F32 => shader!("weights_f32"),
            Self::F16 => shader!("weights_f16"),
            Self::BF16 => shader!("weights_bf16"),
            Self::Q8_0 => shader!("weights_q8_0"),
            Self::Q4_0 => shader!("weights_q4_0"),
            Self::Q4K => shader!("weights_q4_k"),
            Self::Q6K => shader!("weights_q6_k"),
            Self::NeuronsQ8_0 => shader!("neurons_q8_0", "neurons_f16_scales"),
            Self::NeuronsQ4_0 => shader!("neurons_q4_0", "neurons_f16_scales", "neurons_4_bits"),
            Self::NeuronsQ4K => shader!("neurons_q4_k", "neurons_4_bits"),
            Self::NeuronsQ6K => shader!("neurons_q6_k"),
        }
    }

    fn has(self, option: &str) -> bool {
        match option {
            "SCALED" => matches!(self, Self::NeuronsQ8_0 | Self::NeuronsQ4_0 | Self::NeuronsQ4K | Self::NeuronsQ6K),
            "BLOCKS_OF_256" => matches!(self, Self::NeuronsQ4K | Self::NeuronsQ6K),
            _ => false,
        }
    }
}

impl Kernel {
    fn template(self) -> &'static str {
        match self {
            Self::PlaceColumns => shader!("place_columns"),
            Self::Embed => shader!("embed"),
            Self::RmsNorm { .. } => shader!("rms_norm"),
            Self::Matmul { tiles: Tiles::None, .. } => shader!("matmul"),
            Self::Matmul { tiles: Tiles::F32 | Tiles::F16, .. } => shader!("matmul_tiled"),
            Self::Matvec { .. } => shader!("matvec"),
            Self::AppendAndAbsorb { .. } => shader!("append_and_absorb"),
            Self::LatentAttention(_) => shader!("latent_attention"),
            Self::LatentAttentionScores { .. } => shader!("latent_attention_scores"),
            Self::LatentAttentionValues { .. } => shader!("latent_attention_values"),
            Self::ExpandedAttention(ExpandedShape { tiled: false, .. }) => shader!("expanded_attention"),
            Self::ExpandedAttention(ExpandedShape { tiled: true, .. }) => shader!("expanded_attention_tiled"),
            Self::ExpandValue { .. } => shader!("expand_value"),
            Self::Compact => shader!("compact"),
            Self::Choose => shader!("choose"),
            Self::SparseMatmul => shader!("sparse_matmul"),
            Self::SparseMatmulPacked { .. } => shader!("sparse_matmul_packed"),
            Self::AddBias => shader!("add_bias"),
            Self::MaskLogits => shader!("mask_logits"),
            Self::SampleSelect { .. } | Self::SampleDraw { .. } => shader!("sample_chunk"),
            Self::SampleMerge { .. } => shader!("sample_merge"),
        }
    }

    fn has(self, option: &str) -> bool {
        match (self, option) {
            (Self::RmsNorm { norm }, "NORM") => norm,
            (Self::Matmul { tiles, .. }, "F16") => tiles == Tiles::F16,
            (Self::Matmul { of, .. }, "NEURONS") => of == Rows::Neurons,
            (Self::Matmul { of, .. }, "CACHE") => of == Rows::Cache,
            (Self::Matmul { add, .. }, "ADD") => add,
            (Self::Matvec { norm, .. }, "NORM") => norm,
            (Self::Matvec { epilogue, .. }, "ADD") => epilogue == Epilogue::Add,
            (Self::Matvec { epilogue, .. }, "RELU_SQUARED") => epilogue == Epilogue::ReluSquared,
            (Self::Matvec { subgroups, .. }, "SUBGROUPS") => subgroups,
            (Self::Matvec { lanes, subgroups, .. }, "REDUCE") => lanes > 1 && !subgroups,
            (Self::Matvec { lanes, subgroups, .. }, "TWO_STEPS") => lanes > 8 && !subgroups,
            (Self::AppendAndAbsorb { depth, .. }, "REDUCE") => depth > 1,
            (Self::AppendAndAbsorb { expanded, .. }, "EXPANDED") => expanded,
            (Self::ExpandValue { reduce, .. }, "REDUCE") => reduce,
            (Self::SampleSelect { width }, "STAGED") => width > 16,
            (Self::SampleSelect { .. }, "SELECT" | "FILTER") | (Self::SampleDraw { .. }, "DRAW") => true,
            (Self::SampleDraw { filtered, .. } | Self::SampleMerge { filtered, .. }, "FILTER") => filtered,
            (Self::SampleMerge { penalised, .. }, "PENALTY") => penalised,
            _ => false,
        }
    }

    /// What the kernel's text takes for granted, as `const NAME = valueu;`: workgroup sizes and tiles.
    fn constants(self) -> Vec<(&'static str, u32)> {
        match self {
            Self::Matvec { lanes, .. } => vec![("LANES", lanes)],
            Self::AppendAndAbsorb { depth, .. } => vec![("DEPTH", depth)],
            Self::ExpandedAttention(ExpandedShape { nope, value, latent, entry, .. }) => {
                vec![("NOPE", nope), ("VALUE", value), ("LATENT", latent), ("ENTRY", entry)]
            }
            Self::LatentAttention(AttentionShape { quads, latent, entry }) => {
                vec![("QUADS", quads), ("LATENT", latent), ("ENTRY", entry)]
            }
            Self::LatentAttentionScores { entry } => vec![("ENTRY", entry)],
            Self::LatentAttentionValues { latent, entry } => vec![("LATENT", latent), ("ENTRY", entry)],
            Self::ExpandValue { latent, .. } => vec![("LATENT", latent)],
            Self::SparseMatmulPacked { column_lanes, depth } => vec![("COLUMN_LANES", column_lanes), ("DEPTH", depth)],
            Self::SampleSelect { width } | Self::SampleDraw { width, .. } | Self::SampleMerge { width, .. } => {
                vec![("WIDTH", width), ("CHUNK", super::sampling::CHUNK as u32)]
            }
            Self::PlaceColumns
            | Self::Embed
            | Self::RmsNorm { .. }
            | Self::Matmul { .. }
            | Self::Compact
            | Self::Choose
            | Self::AddBias
            | Self::MaskLogits
            | Self::SparseMatmul => Vec::new(),
        }
    }

    /// The shader with its constants and the variant's reader in it, and of its marked lines those that are asked for.
    pub fn source(self, variant: Variant) -> String {
        let mut source = String::new();
        if self.has("F16") {
            source.push_str("enable f16;\n");
        }
        // Browsers want the directive; naga, which reads the text natively, has the operations and refuses it.
        if cfg!(target_arch = "wasm32") && self.has("SUBGROUPS") {
            source.push_str("enable subgroups;\n");
        }
        source.extend(self.constants().iter().map(|(name, value)| format!("const {name} = {value}u;\n")));
        let text = self.template().replace("#include weights\n", variant.reader());
        // One entry for each `#if` that is open: whether its lines are kept.
        let mut kept: Vec<bool> = Vec::new();
        // One entry for each `#repeat` that is open: its variable, how often, and the lines so far.
        let mut repeated: Vec<(&str, usize, String)> = Vec::new();
        for line in text.lines() {
            if let Some(option) = line.strip_prefix("#if ") {
                kept.push(self.has(option) || variant.has(option));
            } else if line == "#else" {
                if let Some(kept) = kept.last_mut() {
                    *kept = !*kept;
                }
            } else if line == "#endif" {
                kept.pop();
            } else if kept.contains(&false) {
                continue;
            } else if let Some((name, count)) = line.strip_prefix("#repeat ").and_then(|rest| rest.split_once(' ')) {
                repeated.push((name, count.parse().expect("a number of repetitions"), String::new()));
            } else if line == "#end" {
                let (name, count, lines) = repeated.pop().expect("lines that are repeated");
                let to = repeated.last_mut().map_or(&mut source, |(_, _, outer)| outer);
                to.extend((0..count).map(|i| lines.replace(&format!("${name}"), &format!("{i}u"))));
            } else {
                let to = repeated.last_mut().map_or(&mut source, |(_, _, lines)| lines);
                to.push_str(line);
                to.push('\n');
            }
        }
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_lines_are_kept_where_they_are_asked_for() {
        let matvec =
            |norm, epilogue| Kernel::Matvec { lanes: 32, subgroups: false, norm, epilogue }.source(Variant::Q4_0);
        let plain = matvec(false, Epilogue::Store);
        let fused = matvec(true, Epilogue::Add);
        let relu = matvec(true, Epilogue::ReluSquared);
        for source in [&plain, &fused, &relu] {
            assert!(!source.contains('#') && source.contains("fn dot32") && source.starts_with("const LANES = 32u;\n"));
        }
        assert!(!plain.contains("squares") && fused.contains("squares") && relu.contains("squares"));
        assert!(fused.contains("+= sums[i]") && !plain.contains("+= sums[i]") && !relu.contains("] = sums[i]"));
        assert!(relu.contains("counts[tile] = ") && !fused.contains("counts[tile] = "));
    }

    #[test]
    fn repeated_lines_are_written_with_their_number() {
        let source = Kernel::SparseMatmul.source(Variant::NeuronsQ8_0);
        assert!(!source.contains('#') && !source.contains('$'));
        for i in 0..8 {
            assert!(source.contains(&format!("products[{i}u] = fma(")));
        }
        assert!(Kernel::SparseMatmul.source(Variant::F16).contains("weights4(row, column + 4u * 7u, columns)"));
    }
}
