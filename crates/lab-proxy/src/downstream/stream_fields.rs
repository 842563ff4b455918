//! The heads of responses as HTTP/2 has them.

use std::cell::RefCell;

use http::Response;
use http::header::{DATE, HeaderValue, SERVER};
use lab_http::http2::fields;
use lab_http::message::date;

use crate::clock;
use crate::response::Head;

/// The head of a response. What only HTTP/1.1 has is left out.
pub(crate) fn response_head(head: &Head) -> Response<()> {
    let server = head.server.map(|server| (SERVER, HeaderValue::from_static(server)));
    let date = head.has_own_date.then(|| (DATE, current_date()));
    fields::response_head(head.status, server.into_iter().chain(date), head.fields())
}

/// The current date, which all responses of a second share.
fn current_date() -> HeaderValue {
    thread_local! {
        static CACHED: RefCell<HeaderValue> = const { RefCell::new(HeaderValue::from_static("")) };
    }
    let now = date::at(clock::wall());
    CACHED.with_borrow_mut(|cached| {
        if cached.as_bytes() != now
            && let Ok(date) = HeaderValue::from_bytes(&now)
        {
            *cached = date;
        }
        cached.clone()
    })
}
