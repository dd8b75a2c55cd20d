//! The README's Rust is the example, to the letter; that the example works the Python tests show, against a served gateway.

const README: &str = include_str!("../../../../README.md");
const EXAMPLE: &str = include_str!("../../examples/readme.rs");

#[test]
fn the_readme_holds_the_example() {
    let (_, rest) = README.split_once("```rust\n").expect("a block of Rust");
    let (block, _) = rest.split_once("```").expect("its end");
    assert_eq!(block, EXAMPLE, "README.md and crates/engine/examples/readme.rs differ");
}
