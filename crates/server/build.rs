//! What a start and a call go through lies side by side in the released program: decision 27.

use std::env;

#[expect(clippy::disallowed_methods, reason = "what the compiler tells a build script stands in the environment")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=layout.ld");
    let told = |name: &str| env::var(name).unwrap_or_default();
    let platform = ["CARGO_CFG_TARGET_ARCH", "CARGO_CFG_TARGET_OS", "CARGO_CFG_TARGET_ENV"].map(told);
    // Another linker than the compiler's own may not read it.
    let own_linker = !told("CARGO_ENCODED_RUSTFLAGS").contains("link") && told("RUSTC_LINKER").is_empty();
    if platform == ["x86_64", "linux", "gnu"] && told("PROFILE") == "release" && own_linker {
        println!("cargo::rustc-link-arg-bin=switchboard=-T{}/layout.ld", told("CARGO_MANIFEST_DIR"));
    }
}
