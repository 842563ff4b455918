//! Answers of the proxy's own: pages, texts of the configuration's, files.

use std::io::Read as _;
use std::time::{Duration, UNIX_EPOCH};

use lab_http::framing::is_bodyless;
use lab_http::{BodyEncoder, BodyLength};

use crate::config::location::static_files::IfModifiedSince;
use crate::config::logs::Severity;
use crate::downstream::client::{Client, Next, Subject};
use crate::downstream::error_page;
use crate::downstream::upload::Upload;
use crate::response::response_head::{OwnHead, write_own};
use crate::routing::phases::conditional::{self, Precondition, Validators};
use crate::routing::phases::file_system::{FileMetadata, OpenedFile};
use crate::routing::phases::media_type;

/// A body nobody wants is read to its end up to this many bytes, to keep the connection.
const DRAINED: u64 = 64 * 1024;
/// How much of a file is read at a time, in bytes.
const BLOCK: usize = 64 * 1024;

/// An answer that no upstream gave.
#[derive(Debug)]
pub(crate) struct OwnAnswer {
    pub(crate) status: u16,
    pub(crate) body: OwnBody,
}

/// What it says.
#[derive(Debug)]
pub(crate) enum OwnBody {
    /// The page for the status, and [`Route::redirect`](crate::routing::route::Route::redirect) if there is one.
    Page,
    /// A text, of the type that the path has.
    Text(Vec<u8>),
    /// A file.
    File(OpenedFile),
}

impl OwnAnswer {
    /// The status instead of this answer, if it is not what the client expected (RFC 9110 §13).
    pub(crate) fn conditions_fail(&self, subject: &Subject<'_>) -> Option<u16> {
        (self.judge(subject) == Precondition::Failed).then_some(412)
    }

    fn judge(&self, subject: &Subject<'_>) -> Precondition {
        let Some(request) = subject.request.filter(|_| self.status == 200) else { return Precondition::Send };
        let (tag, modified) = match &self.body {
            OwnBody::Page => return Precondition::Send,
            OwnBody::Text(_) => (None, None),
            OwnBody::File(opened) => (tag(subject, &opened.metadata), Some(opened.metadata.modified)),
        };
        let dates: IfModifiedSince = subject.rules.if_modified_since;
        conditional::evaluate(&request.head.headers, Validators { tag: tag.as_deref(), modified }, dates)
    }
}

/// The tag of a file, in nginx's form: when it changed and how long it is.
fn tag(subject: &Subject<'_>, seen: &FileMetadata) -> Option<Vec<u8>> {
    subject.rules.etag.then(|| format!("\"{:x}-{:x}\"", seen.modified, seen.size).into_bytes())
}

/// The date of a file.
fn date(seen: &FileMetadata) -> String {
    let since = Duration::from_secs(seen.modified.try_into().unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

impl Client<'_> {
    /// Answers a request of whose body something may be unread: the connection is kept if that is little.
    pub(crate) async fn answer_unread(
        &mut self,
        subject: &Subject<'_>,
        answer: OwnAnswer,
        upload: &mut Upload,
    ) -> Next {
        let is_unasked = subject.request.is_some_and(|request| request.expects_continue) && upload.received() == 0;
        let is_read = upload.is_complete() || {
            let drained = async { !is_unasked && upload.drain(&mut self.incoming, DRAINED).await };
            self.read_timer.within(subject.rules.client_body_timeout, drained).await.unwrap_or(false)
        };
        self.answer(subject, answer, is_read).await
    }

    /// Answers. `may_keep` is whether the connection stands where the next request begins.
    pub(crate) async fn answer(&mut self, subject: &Subject<'_>, answer: OwnAnswer, may_keep: bool) -> Next {
        let persistence = subject.persistence(may_keep);
        let is_known = answer.judge(subject) == Precondition::NotModified;
        let status = if is_known { 304 } else { answer.status };
        let page = match &answer.body {
            OwnBody::Page => error_page::html(status, subject.rules.server_tokens),
            OwnBody::Text(_) | OwnBody::File(_) => None,
        };
        let (seen, type_of_file) = match &answer.body {
            OwnBody::File(opened) => (Some(&opened.metadata), opened.media_type.as_bytes()),
            OwnBody::Page | OwnBody::Text(_) => (None, &b""[..]),
        };
        let content: &[u8] = match (&answer.body, &page) {
            (OwnBody::Text(text), _) => text,
            (_, Some(page)) => page,
            _ => b"",
        };
        let length = seen.map_or(content.len() as u64, |seen| seen.size);
        // that of an upstream which sent the request here
        let kept_type = subject.route.preserved.get("content-type");
        let media_type = match (&answer.body, &page) {
            _ if is_bodyless(status) => b"",
            (OwnBody::Page, Some(_)) => error_page::MEDIA_TYPE.as_bytes(),
            (OwnBody::Page, None) => b"",
            (OwnBody::Text(_), _) => kept_type.unwrap_or_else(|| media_type(subject.route).as_bytes()),
            (OwnBody::File(_), _) => kept_type.unwrap_or(type_of_file),
        };
        let modified = seen.filter(|_| matches!(status, 200 | 304)).map(date);
        let tag = seen.and_then(|seen| tag(subject, seen));
        let head = OwnHead {
            status,
            media_type,
            length: (!is_bodyless(status)).then_some(length),
            modified: modified.as_deref(),
            tag: tag.as_deref(),
            redirect: subject.route.redirect.as_deref().filter(|_| matches!(answer.body, OwnBody::Page)),
        };

        let before = self.outgoing.io_mut().bytes;
        let out = self.outgoing.buffer();
        let start = out.len();
        write_own(head, &subject.scope(&self.outcome), persistence, out);
        self.outcome.head_bytes = (out.len() - start) as u64;
        self.outcome.keep_sent(&out[start..]);
        self.outcome.status = status;
        let is_head = subject.request.is_some_and(|request| request.head.method() == b"HEAD");
        let has_content = !is_head && !is_bodyless(status);
        if has_content {
            out.extend_from_slice(content);
        }
        let sent = match answer.body {
            OwnBody::File(opened) if has_content => self.send_file(subject, opened).await,
            _ => {
                let flushing = self.outgoing.flush();
                matches!(self.write_timer.within(subject.rules.send_timeout, flushing).await, Ok(Ok(())))
            }
        };
        self.count_body(before);
        match sent {
            true if persistence.keep_alive => Next::KeepAlive,
            true if may_keep => Next::Close,
            true => Next::Linger,
            false => Next::Cut,
        }
    }

    /// Sends the content of a file; false if the client did not get all of it.
    async fn send_file(&mut self, subject: &Subject<'_>, opened: OpenedFile) -> bool {
        let Some(mut file) = opened.file else { return false };
        let mut encoder = BodyEncoder::new(BodyLength::Sized(opened.metadata.size));
        let mut left = opened.metadata.size;
        let mut block = vec![0; BLOCK.min(usize::try_from(left).unwrap_or(BLOCK))];
        while left > 0 {
            let wanted = block.len().min(usize::try_from(left).unwrap_or(BLOCK));
            let read = match file.read(&mut block[..wanted]) {
                Ok(0) => {
                    let message = "a file became shorter while it was sent";
                    subject.log_error(&self.outcome, Severity::Alert, message, None);
                    return false;
                }
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    subject.log_error(&self.outcome, Severity::Crit, &format!("read() failed ({error})"), None);
                    return false;
                }
            };
            left -= read as u64;
            let piece = self.outgoing.piece(&mut encoder, &block[..read]);
            if !matches!(self.write_timer.within(subject.rules.send_timeout, piece).await, Ok(Ok(()))) {
                return false;
            }
        }
        let flushing = self.outgoing.flush();
        matches!(self.write_timer.within(subject.rules.send_timeout, flushing).await, Ok(Ok(())))
    }
}
