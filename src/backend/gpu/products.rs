//! Products: one token takes matvec.wgsl, which norms as it goes; more take a norm, and matmul.wgsl or matmul_tiled.wgsl.

use super::{
    Activation, Dispatch, GpuBackend, Matrix, check,
    device::Buffer,
    kernels::{Epilogue, Kernel, Rows, Tiles, Variant},
    words,
};
use crate::{Result, model::Config};

/// Rows that one workgroup of matvec.wgsl has.
pub(super) const MATVEC_ROWS: usize = 16;

impl GpuBackend {
    /// y = RMSNorm(x) W^T with a norm, x W^T without; added to y with `add`.
    pub(super) fn product(
        &mut self,
        matrix: &Matrix,
        x: &Activation,
        norm: Option<(&Buffer, &Config)>,
        y: &Activation,
        add: bool,
    ) -> Result<()> {
        check("matmul: input width", x.width, matrix.columns)?;
        check("matmul: output width", y.width, matrix.rows)?;
        check("matmul: tokens", y.tokens, x.tokens)?;
        if x.tokens == 1 {
            return self.matvec(matrix, x, norm, y, add);
        }
        let rows = match norm {
            None if x.width.is_multiple_of(4) => None,
            _ => Some(self.normed_rows(x, norm)?),
        };
        let x = rows.as_ref().unwrap_or(x);
        for part in &matrix.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, x.values.buffer()), (3, y.values.buffer())]);
            let kernel = Kernel::Matmul { tiles: self.tiles(matrix), of: Rows::Activations, add };
            self.device.dispatch(Dispatch {
                kernel,
                variant: matrix.variant,
                buffers: &buffers,
                params: &words([
                    part.rows,
                    matrix.columns,
                    part.first_row,
                    matrix.rows,
                    x.tokens,
                    0,
                    x.width.div_ceil(4),
                ]),
                workgroups: kernel.matmul_workgroups(part.rows, x.tokens),
                repeated: false,
            })?;
        }
        Ok(())
    }

    fn matvec(
        &mut self,
        matrix: &Matrix,
        x: &Activation,
        norm: Option<(&Buffer, &Config)>,
        y: &Activation,
        add: bool,
    ) -> Result<()> {
        let epilogue = if add { Epilogue::Add } else { Epilogue::Store };
        self.device.counters.bytes_read += matrix.bytes();
        for part in &matrix.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, x.values.buffer()), (3, y.values.buffer())]);
            let mut params = words([part.rows, matrix.columns, part.first_row, 0]);
            if let Some((norm, config)) = norm {
                check("matvec: bytes of norm", norm.size() as usize, norm_bytes(x.width))?;
                buffers.push((6, norm));
                params[3] = config.rms_norm_eps.to_bits();
            }
            self.device.dispatch(Dispatch {
                kernel: self.matvec_kernel(matrix.columns, norm.is_some(), epilogue),
                variant: matrix.variant,
                buffers: &buffers,
                params: &params,
                workgroups: matvec_workgroups(part.rows),
                repeated: true,
            })?;
        }
        Ok(())
    }

    /// How a matmul of many tokens takes this matrix. Its f16 tiles hold weights and activations to 11 bits; of weights that
    /// the device holds as f32 that would be the larger loss.
    pub(super) fn tiles(&self, matrix: &Matrix) -> Tiles {
        match matrix.variant {
            _ if self.narrow => Tiles::None,
            Variant::F32 => Tiles::F32,
            _ if self.shader_f16 => Tiles::F16,
            _ => Tiles::F32,
        }
    }

    /// As many invocations share a row as there are blocks of 32 columns, up to what a subgroup has, which is 32 on most
    /// GPUs.
    pub(super) fn matvec_kernel(&self, columns: usize, norm: bool, epilogue: Epilogue) -> Kernel {
        let most = match self.subgroup_size {
            _ if self.narrow => 1,
            Some(size) => size.min(32),
            None => 32,
        };
        let lanes = (columns.div_ceil(32).next_power_of_two() as u32).min(most);
        Kernel::Matvec { lanes, subgroups: lanes > 1 && self.subgroup_size.is_some(), norm, epilogue }
    }

    /// The rows that a matmul takes: normed with a norm, and of a width that is a multiple of 4.
    fn normed_rows(&mut self, x: &Activation, norm: Option<(&Buffer, &Config)>) -> Result<Activation> {
        let y = self.activation(x.tokens, x.width.next_multiple_of(4))?;
        let mut buffers = vec![(0, x.values.buffer()), (2, y.values.buffer())];
        let mut params = [x.width as u32, 0];
        if let Some((norm, config)) = norm {
            check("rms_norm: bytes of norm", norm.size() as usize, norm_bytes(x.width))?;
            buffers.push((1, norm));
            params[1] = config.rms_norm_eps.to_bits();
        }
        self.device.dispatch(Dispatch {
            kernel: Kernel::RmsNorm { norm: norm.is_some() },
            variant: Variant::Plain,
            buffers: &buffers,
            params: &params,
            workgroups: [1, 1, x.tokens],
            repeated: false,
        })?;
        Ok(y)
    }
}

impl Kernel {
    /// Of matmul.wgsl and matmul_tiled.wgsl.
    pub(super) fn matmul_workgroups(self, rows: usize, tokens: usize) -> [usize; 3] {
        let (row_tile, token_tile) = match self {
            Self::Matmul { tiles: Tiles::F32 | Tiles::F16, .. } => (64, 64),
            _ => (32, 4),
        };
        [rows.div_ceil(row_tile), 1, tokens.div_ceil(token_tile)]
    }
}

/// matvec.wgsl's: one for each tile of rows, in two dimensions, since one has a limit that a large vocabulary reaches.
pub(super) fn matvec_workgroups(rows: usize) -> [usize; 3] {
    let tiles = rows.div_ceil(MATVEC_ROWS);
    [tiles.min(32768), tiles.div_ceil(32768), 1]
}

/// Norms are padded to whole blocks of 32 columns.
pub(super) fn norm_bytes(width: usize) -> usize {
    width.next_multiple_of(32) * 4
}
