//! Compiles every `.proto` file of this crate, its gRPC services and its validation rules, without `protoc`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use prost::Message as _;

fn main() -> anyhow::Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let mut files = Vec::new();
    collect(&root.join("imagioo"), &mut files)?;
    files.sort();
    println!("cargo:rerun-if-changed=imagioo");
    println!("cargo:rerun-if-changed=buf");

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let encoded = compiler.encode_file_descriptor_set();
    std::fs::write(out.join("descriptor.bin"), &encoded)?;

    let set = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    tonic_prost_build::configure()
        .bytes(".")
        .build_transport(true)
        // They hold secrets of users: `src/redacted.rs` prints them without.
        .skip_debug(["imagioo.generation.v1.OwnKey", "imagioo.generation.v1.SetProviderKeyRequest"])
        .compile_fds(set)
        .context("generate messages and services")?;

    prost_protovalidate_build::Builder::new()
        .file_descriptor_set_bytes(encoded)
        .fail_on_runtime_only(true)
        .compile()
        .context("generate validation rules")?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
