//! Content that is put together from slices, each of which is fetched by a request of its own.

use lab_http::BodyLength;
use lab_net::spool::SpoolReader;
use tokio::sync::mpsc;

use super::stream::Window;
use super::{BodyError, FileBody, SpooledBody};

/// The content of one slice.
#[derive(Debug)]
pub(crate) enum SliceContent {
    Bytes(Vec<u8>),
    File(FileBody),
    Spooled(SpooledBody),
}

/// A slice, or why there is none.
pub(crate) type FetchedSlice = Result<SliceContent, BodyError>;

/// Slices in order. The first one is there; the others arrive one at a time.
#[derive(Debug)]
pub(crate) struct SlicedBody {
    /// The slice that is read.
    content: SliceContent,
    /// Unread bytes of the slice.
    content_left: u64,
    /// Where in the whole the first slice begins.
    start: u64,
    /// The bytes of a slice.
    size: u64,
    total: u64,
    /// The entity tag that all slices have.
    tag: Option<Vec<u8>>,
    /// Start and length of the part that is sent.
    part: (u64, u64),
    /// The part that is sent, from the content that is read on.
    window: Window,
    sender: Option<mpsc::Sender<FetchedSlice>>,
    receiver: mpsc::Receiver<FetchedSlice>,
    /// A slice that has arrived.
    next: Option<FetchedSlice>,
}

/// The slices that are still to be fetched.
#[derive(Debug)]
pub(crate) struct SlicePlan {
    /// Where the one begins that is there already.
    pub(crate) first: u64,
    /// Where the next one begins.
    pub(crate) start: u64,
    /// Where the last one may end.
    pub(crate) end: u64,
    /// The length of the whole, which all of them name.
    pub(crate) total: u64,
    /// The entity tag that all of them have.
    pub(crate) tag: Option<Vec<u8>>,
    /// Where they are sent.
    pub(crate) sender: mpsc::Sender<FetchedSlice>,
}

impl SliceContent {
    pub(crate) fn spooled(reader: SpoolReader) -> SliceContent {
        SliceContent::Spooled(SpooledBody::new(reader))
    }

    /// Bytes that were not read yet; all of them if they are in memory.
    pub(crate) fn length(&self) -> u64 {
        match self {
            SliceContent::Bytes(content) => content.len() as u64,
            SliceContent::File(file) => file.length(),
            SliceContent::Spooled(spooled) => spooled.length(),
        }
    }

    /// The next piece. Bytes in memory are a single one.
    fn next_piece(&mut self) -> Result<&[u8], BodyError> {
        let piece = match self {
            SliceContent::Bytes(content) => return Ok(content),
            SliceContent::File(file) => file.next_piece()?,
            SliceContent::Spooled(spooled) => spooled.next_piece()?,
        };
        piece.ok_or(BodyError::FileTruncated)
    }
}

impl SlicedBody {
    /// A whole of `total` bytes, whose part from `start` on is `content`.
    pub(crate) fn new(content: SliceContent, start: u64, size: u64, total: u64, tag: Option<Vec<u8>>) -> SlicedBody {
        // the next slice is fetched while one is sent
        let (sender, receiver) = mpsc::channel(1);
        SlicedBody {
            content_left: content.length(),
            content,
            start,
            size,
            total,
            tag,
            part: (0, total),
            window: Window::default(),
            sender: Some(sender),
            receiver,
            next: None,
        }
    }

    /// How many bytes are sent.
    pub(super) fn length(&self) -> BodyLength {
        BodyLength::Sized(self.part.1)
    }

    /// Limits the content that is sent to a range.
    pub(crate) fn cut(&mut self, start: u64, length: u64) {
        self.part = (start, length);
    }

    /// Decides which slices are needed beside the first one; none if it suffices. Nothing is read before.
    pub(crate) fn plan(&mut self) -> Option<SlicePlan> {
        let sender = self.sender.take()?;
        let (start, length) = self.part;
        let content_end = self.start + self.content_left;
        let next = if (self.start..content_end).contains(&start) {
            self.window = Window { skipped: start - self.start, left: length, length };
            content_end
        } else {
            let next = start - start % self.size;
            self.content_left = 0;
            self.window = Window { skipped: start - next, left: length, length };
            next
        };
        let end = start + length;
        let (first, total) = (self.start, self.total);
        (next < end).then(|| SlicePlan { first, start: next, end, total, tag: self.tag.take(), sender })
    }

    /// Waits until there is something to read.
    pub(super) async fn wait(&mut self) {
        if self.content_left == 0 && self.next.is_none() && self.window.left > 0 {
            let ended = || Err(BodyError::Slice("a slice is missing".to_owned()));
            self.next = Some(self.receiver.recv().await.unwrap_or_else(ended));
        }
    }

    pub(super) async fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        if self.window.left == 0 {
            return Ok(None);
        }
        while self.content_left == 0 {
            self.wait().await;
            if let Some(fetched) = self.next.take() {
                self.content = fetched?;
                self.content_left = self.content.length();
            }
        }
        let piece = self.content.next_piece()?;
        self.content_left = self.content_left.saturating_sub(piece.len() as u64);
        Ok(Some(self.window.part_of(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slices of `0123456789` that are fetched for a part, if those are four bytes long and one was fetched.
    async fn read(first: u64, part: (u64, u64)) -> (Vec<u64>, String) {
        let whole = b"0123456789";
        let slice = |start: u64| {
            let end = (start + 4).min(10);
            SliceContent::Bytes(whole[start as usize..end as usize].to_vec())
        };
        let mut body = SlicedBody::new(slice(first), first, 4, 10, None);
        body.cut(part.0, part.1);
        let (mut fetched, mut text) = (Vec::new(), String::new());
        let plan = body.plan();
        let fetching = async {
            let Some(SlicePlan { mut start, end, sender, .. }) = plan else { return };
            while start < end {
                fetched.push(start);
                sender.send(Ok(slice(start))).await.unwrap();
                start += 4;
            }
        };
        let reading = async {
            while let Some(piece) = body.next_piece().await.unwrap() {
                text.push_str(std::str::from_utf8(piece).unwrap());
            }
        };
        tokio::join!(fetching, reading);
        (fetched, text)
    }

    #[tokio::test]
    async fn parts_are_put_together() {
        for (first, part, slices, expected) in [
            (0, (0, 10), &[4, 8][..], "0123456789"),
            (0, (1, 2), &[], "12"),
            (0, (2, 4), &[4], "2345"),
            (4, (5, 2), &[], "56"),
            (4, (5, 5), &[8], "56789"),
            (0, (9, 1), &[8], "9"),
            (4, (0, 10), &[0, 4, 8], "0123456789"),
        ] {
            let found = read(first, part).await;
            assert_eq!(found, (slices.to_vec(), expected.to_owned()), "{first} {part:?}");
        }
    }

    #[tokio::test]
    async fn failed_slice_ends_the_content() {
        let mut body = SlicedBody::new(SliceContent::Bytes(b"01".to_vec()), 0, 2, 4, None);
        let plan = body.plan().unwrap();
        plan.sender.send(Err(BodyError::Slice("gone".to_owned()))).await.unwrap();
        assert_eq!(body.next_piece().await.unwrap(), Some(&b"01"[..]));
        assert!(body.next_piece().await.is_err());
    }
}
