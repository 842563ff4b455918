//! The proxy's own pages, in nginx's form.

use crate::response::head::{product, reason};

pub(crate) const MEDIA_TYPE: &str = "text/html";

/// The page for a status; none for a status without a text.
pub(crate) fn html(status: u16, tokens: bool) -> Option<Vec<u8>> {
    let words = match status {
        0..=300 | 304 => "",
        302 => "Found",
        401 => "Authorization Required",
        status => reason(status),
    };
    if words.is_empty() {
        return None;
    }
    let product = product(tokens);
    let title = format!("{status} {words}");
    let lines = [
        "<html>",
        &format!("<head><title>{title}</title></head>"),
        "<body>",
        &format!("<center><h1>{title}</h1></center>"),
        &format!("<hr><center>{product}</center>"),
        "</body>",
        "</html>",
        "",
    ];
    Some(lines.join("\r\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_names_status_and_version() {
        let page = String::from_utf8(html(502, false).unwrap()).unwrap();
        assert_eq!(
            page,
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
             <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>lab</center>\r\n</body>\r\n</html>\r\n"
        );
        assert!(String::from_utf8(html(502, true).unwrap()).unwrap().contains("<center>lab/"));
        assert_eq!((html(418, true), html(204, true)), (None, None));
    }
}
