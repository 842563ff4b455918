//! Explains the requests and expectations of checks, each on one line.

use std::fmt::{self, Display};

use super::super::model::{
    CacheExpectation, CheckRequest, Expectation, HttpVersion, RequestBody, SlowClients, TextTemplatePart,
};
use super::{Count, Time};

/// A check's request on one line.
pub(super) struct RequestLine<'s>(pub(super) &'s CheckRequest);

impl Display for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CheckRequest::Composed {
                method,
                target,
                headers,
                body,
                times,
                pause,
                settle: _,
                within,
                tls,
                http,
                max_redirects,
                slow,
                client,
            } => {
                write!(f, "{method} {}", target.source())?;
                f.write_str(match http {
                    HttpVersion::OneZero => ", as HTTP/1.0",
                    HttpVersion::OneOne => "",
                    HttpVersion::Two => ", as HTTP/2",
                })?;
                if *tls {
                    f.write_str(", over TLS")?;
                }
                if let Some(client) = client {
                    write!(f, ", from {client}")?;
                }
                if !headers.is_empty() {
                    write!(f, ", {}", Count(headers.len() as u64, "header"))?;
                }
                f.write_str(&body_clause(body))?;
                if *max_redirects > 0 {
                    write!(f, ", following {} at the most", Count((*max_redirects).into(), "redirect"))?;
                }
                if times.get() > 1 {
                    write!(f, ", {times} times on one connection")?;
                }
                if !pause.is_zero() {
                    write!(f, " with pauses of {}", Time(*pause))?;
                }
                if let Some(SlowClients { clients, part, target }) = slow {
                    let clients = Count(clients.get().into(), "client");
                    let (verb, part) = (part.verb(), part.with_article());
                    write!(f, ", while {clients} {verb} {part} a byte at a time")?;
                    if let Some(target) = target {
                        write!(f, " on {target}")?;
                    }
                    write!(f, ", within {}", Time(*within))?;
                }
                Ok(())
            }
            CheckRequest::Raw(template) => {
                f.write_str("raw bytes: ")?;
                let first_line = template.parts.iter().map_while(|part| match part {
                    TextTemplatePart::Text(text) => Some(text),
                    TextTemplatePart::Placeholder(_) | TextTemplatePart::Value(_) => None,
                });
                let text: String = first_line.flat_map(|text| text.chars()).take_while(|c| *c != '\n').collect();
                write!(f, "{}", text.trim_end().escape_debug())
            }
        }
    }
}

/// A request's body, as a clause; empty without one.
fn body_clause(body: &RequestBody) -> String {
    match body {
        body if body.is_none() => String::new(),
        RequestBody::Text(text) => {
            let written = |part: &TextTemplatePart| match part {
                TextTemplatePart::Text(text) => text.len(),
                // Its value is known when it is sent.
                TextTemplatePart::Placeholder(_) | TextTemplatePart::Value(_) => 0,
            };
            let bytes: usize = text.parts.iter().map(written).sum();
            format!(", {} of body", Count(bytes as u64, "byte"))
        }
        RequestBody::File(path) => {
            format!(", the file {}", path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
        }
        RequestBody::Form(fields) => format!(", a form of {}", Count(fields.len() as u64, "field")),
        RequestBody::Multipart(parts) => format!(", {} of multipart body", Count(parts.len() as u64, "part")),
    }
}

/// The compared fields of a check on one line.
pub(super) struct ExpectationLine<'s>(pub(super) &'s Expectation);

impl Display for ExpectationLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expect = self.0;
        let upstream = &expect.upstream;
        let mut fields: Vec<String> = Vec::new();
        fields.extend(expect.unanswered.then(|| "no response".to_owned()));
        fields.extend(expect.status.as_ref().map(|status| format!("status {status}")));
        fields.extend(expect.headers.iter().map(|(name, _)| name.clone()));
        fields.extend(expect.body.is_some().then(|| "body".to_owned()));
        fields.extend(expect.json.iter().map(|(query, _)| format!("json {query}")));
        fields.extend(expect.redirects.map(|redirects| Count(redirects.into(), "redirect").to_string()));
        fields.extend(expect.duration.map(|longest| format!("at most {}", Time(longest))));
        fields.extend((!expect.certificate.is_empty()).then(|| "certificate".to_owned()));
        fields.extend(expect.cache.as_ref().map(|expected| match expected {
            CacheExpectation::Last(status) => format!("cache {}", status.name()),
            CacheExpectation::Each(statuses) => {
                format!("cache {}", statuses.iter().map(|status| status.name()).collect::<Vec<_>>().join(" then "))
            }
        }));
        fields.extend(upstream.method.is_some().then(|| "upstream method".to_owned()));
        fields.extend(upstream.target.is_some().then(|| "upstream target".to_owned()));
        fields.extend(upstream.headers.iter().map(|(name, _)| format!("upstream {name}")));
        fields.extend(upstream.order.iter().map(|names| format!("order of {}", names.join(", "))));
        fields.extend(expect.app.keys().map(|field| format!("app {}", field.name())));
        f.write_str(&fields.join("; "))
    }
}
