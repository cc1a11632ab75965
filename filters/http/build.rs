//! Generates the bindings of a middleware, from the WIT of WASI that the crate wasip3 brings.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use wit_bindgen_core::wit_parser::{Resolve, UnresolvedPackageGroup};
use wit_bindgen_core::{Files, WorldGenerator};

const WORLD: &str = "
package sluice:middleware;
world middleware {
  include wasi:http/middleware@0.3.2;
  import wasi:cli/environment@0.3.2;
}";

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let mut resolve = Resolve::default();
    resolve.push_dir(wit()).expect("the WIT of wasip3");
    let group = UnresolvedPackageGroup::parse(Path::new("middleware.wit"), WORLD).expect("the world");
    let package = resolve.push_group(group).expect("what the world includes");
    let world = resolve.select_world(&[package], Some("middleware")).expect("the world");
    let options = wit_bindgen_rust::Opts { generate_all: true, ..Default::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).expect("bindings");
    let (_, content) = files.iter().next().expect("one file");
    fs::write(PathBuf::from(env::var("OUT_DIR").unwrap()).join("bindings.rs"), content).unwrap();
}

/// The folder `wit` of the crate wasip3.
fn wit() -> PathBuf {
    let told = Command::new(env::var("CARGO").unwrap())
        .args(["metadata", "--format-version=1", "--offline"])
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS") // which are for the guest's target
        .output()
        .expect("cargo metadata");
    String::from_utf8_lossy(&told.stdout)
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| Path::new(rest.split('"').next()?).parent().map(Path::to_owned))
        .find(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("wasip3-")))
        .unwrap_or_else(|| panic!("no wasip3: {}", String::from_utf8_lossy(&told.stderr)))
        .join("wit")
}
