//! plume-bindgen IN.wasm OUT_DIR: writes plume.js, plume.d.ts and plume_bg.wasm.

use std::{env, process::exit};
use wasm_bindgen_cli_support::Bindgen;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: plume-bindgen IN.wasm OUT_DIR");
        exit(2);
    };
    let mut bindgen = Bindgen::new();
    let generated = bindgen
        .input_path(input)
        .web(true)
        .and_then(|bindgen| bindgen.out_name("plume").omit_default_module_path(true).typescript(true).generate(output));
    if let Err(error) = generated {
        eprintln!("plume-bindgen: {error:?}");
        exit(1);
    }
}
