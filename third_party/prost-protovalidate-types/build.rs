use std::env;
use std::path::PathBuf;

// Changed for imagioo: protox compiles the schema, where upstream runs a `protoc` that must be installed.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto_dir = "proto";
    let files = &["buf/validate/validate.proto"];

    for f in files {
        println!("cargo:rerun-if-changed={proto_dir}/{f}");
    }

    let base_path = PathBuf::from(env::var("OUT_DIR")?);
    let descriptor_path = base_path.join("file_descriptor_set.bin");
    let compiled = protox::Compiler::new([proto_dir])?
        .include_imports(true)
        .open_files(files)?
        .encode_file_descriptor_set();
    std::fs::write(&descriptor_path, compiled)?;

    let mut config = prost_build::Config::new();
    config
        .skip_protoc_run()
        .file_descriptor_set_path(&descriptor_path);

    #[cfg(feature = "reflect")]
    prost_reflect_build::Builder::new()
        .file_descriptor_set_path(&descriptor_path)
        .descriptor_pool("DESCRIPTOR_POOL")
        .compile_protos_with_config(config, files, &[proto_dir])?;

    #[cfg(not(feature = "reflect"))]
    config.compile_protos(files, &[proto_dir])?;

    Ok(())
}
