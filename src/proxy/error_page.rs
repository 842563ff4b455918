//! The pages the proxy answers with itself, in nginx's form.

use super::response_head::{product, reason};

/// The media type of the pages.
pub const CONTENT_TYPE: &[u8] = b"Content-Type: text/html\r\n";

/// The page for a status.
#[must_use]
pub fn html(status: u16, tokens: bool) -> Vec<u8> {
    let product = product(tokens);
    let title = format!("{status} {}", reason(status));
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
    lines.join("\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_status_and_the_version_only_where_wanted() {
        let page = String::from_utf8(html(502, false)).unwrap();
        assert_eq!(
            page,
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
             <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>lab</center>\r\n</body>\r\n</html>\r\n"
        );
        assert!(String::from_utf8(html(502, true)).unwrap().contains("<center>lab/"));
    }
}
