//! A request body between the client and the upstream.
//!
//! As in nginx, the whole body is collected before an upstream is contacted (`proxy_request_buffering on`): however
//! slowly the client sends it, the upstream gets it at once and with a length, and it can be sent to a second peer.
//! Content beyond `client_body_buffer_size` goes to a spool file; all of them together may take half of the free space.
//! Without buffering the body is streamed.

use std::path::Path;

use lab_http::{BodyDecoder, BodyLength, Incoming, Limits, ReadError, Refusal, Version};
use tokio::io::AsyncRead;

use crate::config::proxy::buffering::{BufferingConfig, RequestFile};
use crate::context::ClientReadHalf;
use crate::context::body_file_name::BodyFileName;
use crate::routing::request::Request;
use lab_net::deadline::Timer;
use lab_net::spool::{SpoolFile, SpoolShare, is_out_of_space};

/// The body of one request: the collected part, and the decoder of the rest.
#[derive(Debug)]
pub(crate) struct RequestBody {
    decoder: BodyDecoder,
    /// The beginning of the collected part. The rest is in the file.
    memory: Vec<u8>,
    file: Option<SpoolFile>,
    /// The name of the file, if it has one (`client_body_in_file_only`).
    name: Option<BodyFileName>,
    received: u64,
}

/// The reading half of a client, with the request body that arrives on it.
#[derive(Debug)]
pub(crate) struct RequestSource<'c, 's> {
    /// None for a copy of a request, which has no client.
    pub(crate) incoming: Option<&'c mut Incoming<ClientReadHalf<'s>>>,
    pub(crate) body: &'c mut RequestBody,
    pub(crate) timer: &'c mut Timer,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    /// The body exceeds `client_max_body_size`.
    #[error("client intended to send too large body")]
    TooLarge,
    /// The framing is invalid.
    #[error("client sent an invalid body: {0}")]
    Invalid(Refusal),
    /// `client_body_timeout` has passed.
    #[error("client timed out while sending request body")]
    TimedOut,
    /// The client closed the connection, or the connection failed.
    #[error("client prematurely closed connection: {0}")]
    Closed(String),
    /// The spool file could not be written or read.
    #[error("a temporary file for the request body failed: {0}")]
    File(std::io::Error),
}

impl RequestBodyError {
    /// The status of the response; none if the client is gone.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            RequestBodyError::TooLarge => Some(413),
            RequestBodyError::Invalid(refusal) => Some(refusal.status()),
            RequestBodyError::TimedOut => Some(408),
            RequestBodyError::File(error) if is_out_of_space(error) => Some(507),
            RequestBodyError::File(_) => Some(500),
            RequestBodyError::Closed(_) => None,
        }
    }
}

impl From<ReadError> for RequestBodyError {
    fn from(error: ReadError) -> RequestBodyError {
        match error {
            ReadError::Refused(Refusal::Truncated) => RequestBodyError::Closed(Refusal::Truncated.to_string()),
            ReadError::Refused(refusal) => RequestBodyError::Invalid(refusal),
            ReadError::Io(error) => RequestBodyError::Closed(error.to_string()),
        }
    }
}

impl RequestBody {
    pub(crate) fn new(length: BodyLength) -> RequestBody {
        let decoder = BodyDecoder::new(length, &Limits::default());
        RequestBody { decoder, memory: Vec::new(), file: None, name: None, received: 0 }
    }

    /// The body of a client's request.
    pub(crate) fn of_request(request: &Request<'_>) -> RequestBody {
        RequestBody::new(match (request.head.version, request.body) {
            // frames take the place of chunks
            (Version::Http2, BodyLength::Chunked) => BodyLength::UntilClose,
            (_, length) => length,
        })
    }

    /// A complete body of the proxy's own.
    pub(crate) fn of_bytes(content: Vec<u8>) -> RequestBody {
        let mut body = RequestBody::new(BodyLength::None);
        body.received = content.len() as u64;
        body.memory = content;
        body
    }

    /// A copy of the collected body.
    pub(crate) fn duplicate(&self) -> std::io::Result<RequestBody> {
        let mut copy = RequestBody::of_bytes(self.memory.clone());
        copy.file = self.file.as_ref().map(SpoolFile::duplicate).transpose()?;
        copy.received = copy.collected();
        Ok(copy)
    }

    /// Whether the whole body was read from the client.
    pub(crate) fn is_complete(&self) -> bool {
        self.decoder.is_finished()
    }

    /// The size of the collected part in bytes.
    pub(crate) fn collected(&self) -> u64 {
        self.memory.len() as u64 + self.file.as_ref().map_or(0, SpoolFile::length)
    }

    /// Whether a part of the body was streamed without being collected, so that it cannot be sent again.
    pub(crate) fn is_spent(&self) -> bool {
        self.received > self.collected()
    }

    /// The collected part that is in memory: the beginning of the body.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// The whole collected part, unless it is in a file.
    pub(crate) fn in_memory(&self) -> Option<&[u8]> {
        self.file.is_none().then_some(&self.memory)
    }

    /// The path of the collected part, if its file has a name.
    pub(crate) fn file_path(&self) -> Option<&Path> {
        self.name.as_ref().map(BodyFileName::path)
    }

    /// Gives up the collected part, and with it the space of its file.
    pub(crate) fn release(&mut self) {
        self.memory = Vec::new();
        self.file = None;
        self.name = None;
    }

    /// Bytes of content read from the client.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Reads and discards the rest of the body, if it is at most `bound` bytes. Returns whether the body has ended.
    pub(crate) async fn drain<R: AsyncRead + Unpin>(&mut self, client: &mut Incoming<R>, bound: u64) -> bool {
        matches!(client.drain(&mut self.decoder, bound).await, Ok(true))
    }

    /// Appends one block of the spool file, from `position` on, to `out`. Returns its size; 0 at the end.
    pub(crate) fn read_file(&self, position: u64, out: &mut Vec<u8>) -> Result<usize, RequestBodyError> {
        self.file.as_ref().map_or(Ok(0), |file| file.read(position, out)).map_err(RequestBodyError::File)
    }

    /// Reads the next piece and adds it to the collected part.
    pub(crate) async fn collect<R: AsyncRead + Unpin>(
        &mut self,
        client: &mut Incoming<R>,
        limit: Option<u64>,
        buffering: &BufferingConfig,
    ) -> Result<(), RequestBodyError> {
        let Some(piece) = client.read_body_piece(&mut self.decoder).await? else { return Ok(()) };
        self.received = add_within_limit(self.received, piece, limit)?;
        let goes_to_file = buffering.request_file != RequestFile::WhenLarge;
        if self.file.is_none() && !goes_to_file && self.memory.len() + piece.len() <= buffering.request_memory {
            self.memory.extend_from_slice(piece);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let folder = buffering.request_folder.as_deref();
                let file = match buffering.request_file {
                    RequestFile::WhenLarge => SpoolFile::new(folder, SpoolShare::HALF),
                    RequestFile::Kept | RequestFile::Removed => {
                        let is_kept = buffering.request_file == RequestFile::Kept;
                        BodyFileName::create(folder, is_kept).map(|(name, file)| {
                            self.name = Some(name);
                            SpoolFile::from_file(file, SpoolShare::HALF)
                        })
                    }
                };
                self.file.insert(file.map_err(RequestBodyError::File)?)
            }
        };
        file.push(piece).map_err(RequestBodyError::File)
    }

    /// Reads the next piece after the collected part; none at the end of the body.
    pub(crate) async fn next_piece<'c, R: AsyncRead + Unpin>(
        &mut self,
        client: &'c mut Incoming<R>,
        limit: Option<u64>,
    ) -> Result<Option<&'c [u8]>, RequestBodyError> {
        let piece = client.read_body_piece(&mut self.decoder).await?;
        if let Some(piece) = piece {
            self.received = add_within_limit(self.received, piece, limit)?;
        }
        Ok(piece)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.file.take().into_iter().for_each(SpoolFile::close);
    }
}

fn add_within_limit(received: u64, piece: &[u8], limit: Option<u64>) -> Result<u64, RequestBodyError> {
    let received = received + piece.len() as u64;
    if limit.is_some_and(|limit| received > limit) { Err(RequestBodyError::TooLarge) } else { Ok(received) }
}
