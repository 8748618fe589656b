//! Forms with files (RFC 7578), read without the library that writes them.

/// One part of a form.
#[derive(Debug, Clone)]
pub struct Part {
    /// The field.
    pub name: String,
    /// What the sender calls the file's type.
    pub content_type: Option<String>,
    /// The value or the file.
    pub body: Vec<u8>,
}

pub(super) fn parts(body: &[u8], boundary: &str) -> Vec<Part> {
    let mark = format!("--{boundary}");
    let starts: Vec<_> = (0..body.len()).filter(|at| body[*at..].starts_with(mark.as_bytes())).collect();
    let between = starts.windows(2).map(|pair| &body[pair[0] + mark.len() + 2..pair[1] - 2]);
    between.map(part).collect()
}

fn part(bytes: &[u8]) -> Part {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let quoted = head.split_once("name=\"").and_then(|(_, rest)| rest.split_once('"'));
    let kind = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type").then(|| value.to_owned())
    });
    Part { name: quoted.expect("a name").0.to_owned(), content_type: kind, body: bytes[end + 4..].to_vec() }
}
