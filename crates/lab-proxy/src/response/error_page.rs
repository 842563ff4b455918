//! The proxy's own pages, in nginx's form.

use crate::response::head::{product, reason};

pub(crate) const MEDIA_TYPE: &str = "text/html";

/// The page for a status; none for a status without a text. `detail` is the status of nginx's own that the client does
/// not see, which the page explains.
pub(crate) fn html(status: u16, tokens: bool, detail: Option<u16>) -> Option<Vec<u8>> {
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
    let heading = format!("{status} {words}");
    let explanation = detail.and_then(explanation);
    let title = explanation.map_or_else(|| heading.clone(), |explanation| format!("{status} {explanation}"));
    let explained = explanation.map(|explanation| format!("<center>{explanation}</center>\r\n")).unwrap_or_default();
    let lines = [
        "<html>",
        &format!("<head><title>{title}</title></head>"),
        "<body>",
        &format!("<center><h1>{heading}</h1></center>"),
        &format!("{explained}<hr><center>{product}</center>"),
        "</body>",
        "</html>",
        "",
    ];
    Some(lines.join("\r\n").into_bytes())
}

/// nginx's words for its own statuses.
fn explanation(status: u16) -> Option<&'static str> {
    match status {
        495 => Some("The SSL certificate error"),
        496 => Some("No required SSL certificate was sent"),
        497 => Some("The plain HTTP request was sent to HTTPS port"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_names_status_and_version() {
        let page = String::from_utf8(html(502, false, None).unwrap()).unwrap();
        assert_eq!(
            page,
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
             <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>lab</center>\r\n</body>\r\n</html>\r\n"
        );
        assert!(String::from_utf8(html(502, true, None).unwrap()).unwrap().contains("<center>lab/"));
        assert_eq!((html(418, true, None), html(204, true, None)), (None, None));
    }
}
