//! What a sealed value is for, and whose it is.

/// The place of a sealed value. It is authenticated with the value and not stored in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// What the value is used for, such as `webhook secret`.
    pub purpose: &'a str,
    /// The row or the owner it belongs to: the bytes of an id.
    pub subject: &'a [u8],
}

impl Binding<'_> {
    /// The same bytes for no two different places: every part comes with its length.
    pub(crate) fn bytes(&self, head: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [head, self.purpose.as_bytes(), self.subject] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}
