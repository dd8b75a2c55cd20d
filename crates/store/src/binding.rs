//! What seals and keyed hashes are bound to.

/// Parts as one text that no other parts give: each with its length.
pub(crate) fn joined<'a>(label: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    for part in std::iter::once(label.as_bytes()).chain(parts) {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
