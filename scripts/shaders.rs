//! Cargo's build script: writes each shader of `shaders/` without its comments and indentation, which a page would download.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let to = env::var_os("OUT_DIR").expect("Cargo names a folder for what is built");
    for entry in fs::read_dir("shaders")? {
        let entry = entry?;
        let source = fs::read_to_string(entry.path())?;
        // WGSL has no strings that could hold two slashes.
        let code = source.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
        let lines: String = code.filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect();
        fs::write(Path::new(&to).join(entry.file_name()), lines)?;
    }
    Ok(())
}
