//! Rebuilds this crate when a migration is added.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/account");
}
