//! The bytes of a request's body, and its `Content-Type`.

use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::scenario::model::{Part, PartContent, Placeholders, RequestBody};

/// A file of a body that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct BodyFileError {
    path: PathBuf,
    source: io::Error,
}

/// The body of a request as sent.
pub(super) struct EncodedBody {
    pub(super) bytes: Vec<u8>,
    /// The `Content-Type` that the form of the body requires.
    pub(super) media_type: Option<String>,
}

/// # Errors
/// A file cannot be read.
pub(super) fn encode(body: &RequestBody, values: &Placeholders) -> Result<EncodedBody, BodyFileError> {
    let (bytes, media_type) = match body {
        RequestBody::Text(text) => (text.fill(values).into_bytes(), None),
        RequestBody::File(path) => (read(path)?, None),
        RequestBody::Form(fields) => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                form.append_pair(name, &value.fill(values));
            }
            (form.finish().into_bytes(), Some("application/x-www-form-urlencoded".to_owned()))
        }
        RequestBody::Multipart(parts) => {
            let contents: Vec<Vec<u8>> = parts
                .iter()
                .map(|part| match &part.content {
                    PartContent::Text(text) => Ok(text.fill(values).into_bytes()),
                    PartContent::File { path, .. } => read(path),
                })
                .collect::<Result<_, _>>()?;
            let boundary = boundary(&contents);
            (multipart(parts, &contents, &boundary), Some(format!("multipart/form-data; boundary={boundary}")))
        }
    };
    Ok(EncodedBody { bytes, media_type })
}

fn read(path: &PathBuf) -> Result<Vec<u8>, BodyFileError> {
    std::fs::read(path).map_err(|source| BodyFileError { path: path.clone(), source })
}

/// A boundary that occurs in no content, and is the same for the same contents.
fn boundary(contents: &[Vec<u8>]) -> String {
    let mut digest = Sha256::new();
    for content in contents {
        digest.update(content);
    }
    let digest = digest.finalize();
    format!("lab-{}", digest[..12].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// RFC 7578.
fn multipart(parts: &[Part], contents: &[Vec<u8>], boundary: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (part, content) in parts.iter().zip(contents) {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", escaped(&part.name));
        let mut media_type = part.media_type.as_deref();
        if let PartContent::File { filename, .. } = &part.content {
            head.push_str(&format!("; filename=\"{}\"", escaped(filename)));
            media_type = media_type.or(Some("application/octet-stream"));
        }
        if let Some(media_type) = media_type {
            head.push_str(&format!("\r\nContent-Type: {media_type}"));
        }
        head.push_str("\r\n\r\n");
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    bytes
}

/// A name as browsers send it (HTML, section 4.10.21.8).
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::model::TextTemplate;

    fn encoded(body: &RequestBody) -> (String, Option<String>) {
        let EncodedBody { bytes, media_type } = encode(body, &Placeholders::new("c", "h", 1)).unwrap();
        (String::from_utf8(bytes).unwrap(), media_type)
    }

    #[test]
    fn form_is_percent_encoded() {
        let fields = [("name", "Ann & Bob"), ("tag", "ü"), ("tag", "")];
        let fields = fields.map(|(name, value)| (name.to_owned(), TextTemplate::literal(value)));
        let (body, media_type) = encoded(&RequestBody::Form(fields.to_vec()));
        assert_eq!(body, "name=Ann+%26+Bob&tag=%C3%BC&tag=");
        assert_eq!(media_type.as_deref(), Some("application/x-www-form-urlencoded"));
    }

    #[test]
    fn multipart_has_texts_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "content\r\n--lab").unwrap();
        let parts = vec![
            Part {
                name: "a \"quoted\" name".to_owned(),
                content: PartContent::Text(TextTemplate::literal("text")),
                media_type: None,
            },
            Part {
                name: "upload".to_owned(),
                content: PartContent::File { path, filename: "a.txt".to_owned() },
                media_type: Some("text/plain".to_owned()),
            },
        ];
        let (body, media_type) = encoded(&RequestBody::Multipart(parts));
        let media_type = media_type.unwrap();
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = [
            "--B",
            "Content-Disposition: form-data; name=\"a %22quoted%22 name\"",
            "",
            "text",
            "--B",
            "Content-Disposition: form-data; name=\"upload\"; filename=\"a.txt\"",
            "Content-Type: text/plain",
            "",
            "content",
            "--lab",
            "--B--",
            "",
        ];
        assert_eq!(body.replace(boundary, "B"), expected.join("\r\n"));
    }

    #[test]
    fn missing_file_is_an_error() {
        let error = encode(&RequestBody::File("/nowhere/at/all".into()), &Placeholders::new("c", "h", 1)).err();
        assert_eq!(error.unwrap().to_string(), "cannot read /nowhere/at/all");
    }
}
