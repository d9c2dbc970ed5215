//! The port of DynamoDB: the guard, and behind it dynoxide's own server.
//!
//! That server answers the page of any site (`Access-Control-Allow-Origin: *`), under any name, and
//! it neither takes a guard nor gives its router away: it takes a listener. So it gets one of its own
//! for each connection, and only until it has answered once. No port stays open at which anybody
//! else reaches it.
//!
//! Only the heads of requests are read here, and all octets are passed on as they come. An HTTP
//! server and a client in the way would take nearly as long as DynamoDB itself, in each test.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::serve::Listener;
use dynoxide::Database;
use dynoxide::server::serve_with_shutdown;
use httparse::{EMPTY_HEADER, Status};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::guard;
use crate::{Phase, reached};

/// The largest head of a request, in octets. Those of the SDK have about one thousand.
const MAX_HEAD: usize = 64 * 1024;
/// The largest number of headers, as for dynoxide's server.
const MAX_HEADERS: usize = 100;

/// Serves the database until `Phase::Stopping`, and completes what is under way.
pub(super) async fn serve(
    mut listener: TcpListener,
    database: Database,
    phases: watch::Receiver<Phase>,
) {
    let mut tunnels = JoinSet::new();
    let mut stop = pin!(reached(phases.clone(), Phase::Stopping));
    loop {
        tokio::select! {
            () = &mut stop => break,
            (client, _) = Listener::accept(&mut listener) => {
                tunnels.spawn(tunnel(client, database.clone(), phases.clone()));
            }
            Some(_) = tunnels.join_next() => {}
        }
    }
    drop(listener);
    while tunnels.join_next().await.is_some() {}
}

/// Why no more requests are passed on.
enum End {
    /// The connection is closed or broken.
    Closed,
    /// A request is refused.
    Refused(Refusal),
}

/// A refusal in the form of DynamoDB: status, type and message.
struct Refusal(StatusCode, &'static str, &'static str);

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Serves one connection.
async fn tunnel(
    client: TcpStream,
    database: Database,
    phases: watch::Receiver<Phase>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let mut requests = Requests::new(from_client);
    let Err(end) = pass_all(&mut requests, &mut to_client, database, phases).await;
    if let End::Refused(refusal) = end {
        refusal.write(&mut to_client).await?;
        requests.discard().await;
    }
    Ok(())
}

/// Passes on requests and answers, until one side closes the connection or a request is refused. The
/// answers until then are passed on all the same.
async fn pass_all(
    requests: &mut Requests,
    to_client: &mut OwnedWriteHalf,
    database: Database,
    phases: watch::Receiver<Phase>,
) -> Result<Infallible, End> {
    let first = tokio::select! {
        first = requests.next() => first?,
        () = reached(phases.clone(), Phase::Stopping) => return Err(End::Closed),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut server = TcpStream::connect(listener.local_addr()?).await?;
    server.set_nodelay(true)?;
    let (mut from_server, mut to_server) = server.split();
    let stop = reached(phases, Phase::Stopping);
    let accepting = serve_with_shutdown(listener, database, stop);

    let asking = async {
        let mut octets = first;
        loop {
            requests.pass(octets, &mut to_server).await?;
            octets = requests.next().await?;
        }
    };
    let answering = async {
        // If it answers, it has accepted the connection. It leaves that to a task, which ends it at
        // the stop, and the listener is closed.
        tokio::select! {
            _ = accepting => {}
            _ = from_server.readable() => {}
        }
        copy(&mut from_server, to_client).await
    };
    let mut answering = pin!(answering);
    let end: Result<Infallible, End> = tokio::select! {
        end = asking => end,
        _ = &mut answering => return Err(End::Closed),
    };
    to_server.shutdown().await?;
    answering.await?;
    end
}

/// The requests that come on a connection.
struct Requests {
    from: OwnedReadHalf,
    /// What was read and not passed on.
    read: Vec<u8>,
}

impl Requests {
    fn new(from: OwnedReadHalf) -> Self {
        let read = Vec::new();
        Self { from, read }
    }

    /// Reads the head of the next request, and returns how many octets the request has.
    async fn next(&mut self) -> Result<u64, End> {
        loop {
            if let Some(octets) = length(&self.read).map_err(End::Refused)? {
                return Ok(octets);
            }
            if self.read.len() > MAX_HEAD {
                return Err(End::Refused(malformed("the headers are too large")));
            }
            if self.from.read_buf(&mut self.read).await? == 0 {
                return Err(End::Closed);
            }
        }
    }

    /// Passes on the next `octets`.
    async fn pass(&mut self, octets: u64, to: &mut WriteHalf<'_>) -> io::Result<()> {
        let there = usize::try_from(octets).map_or(self.read.len(), |all| all.min(self.read.len()));
        to.write_all(&self.read[..there]).await?;
        self.read.drain(..there);
        let rest = octets - there as u64;
        if rest > 0 && copy(&mut (&mut self.from).take(rest), to).await? < rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Reads what else comes for a moment. If a connection is closed before, the client may lose the
    /// answer.
    async fn discard(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let _ = timeout(PATIENCE, copy(&mut self.from, &mut sink())).await;
    }
}

/// Returns how many octets the request has that begins `read`, or `None` if its head is not complete.
///
/// # Errors
///
/// Returns a refusal if a web page may have sent the request, or if its length is not plain.
fn length(read: &[u8]) -> Result<Option<u64>, Refusal> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    // By the parser that dynoxide's server has too.
    let parsed = request.parse(read);
    let parsed = parsed.map_err(|_| malformed("the request is not one of HTTP/1.1"))?;
    let Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let mut guarded = HeaderMap::new();
    let mut body = None;
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if let Some(name) = guard::HEADERS.iter().find(|name| is(name.as_str())) {
            let value = HeaderValue::from_bytes(header.value);
            let value = value.map_err(|_| malformed("a header is not one of HTTP"))?;
            guarded.append(name, value);
        } else if is("content-length") {
            let digits = std::str::from_utf8(header.value).ok();
            // `parse` would take a sign too.
            let digits = digits.filter(|text| text.bytes().all(|c| c.is_ascii_digit()));
            let given = digits.and_then(|text| text.parse::<u32>().ok());
            if given.is_none() || body.is_some() {
                return Err(malformed("content-length is not one number"));
            }
            body = given;
        } else if is("transfer-encoding") {
            let (status, kind) = (StatusCode::LENGTH_REQUIRED, "SerializationException");
            return Err(Refusal(status, kind, "give content-length"));
        }
    }
    guard::check(&guarded).map_err(|refusal| {
        let kind = "AccessDeniedException";
        Refusal(refusal.status(), kind, refusal.reason())
    })?;
    Ok(Some(head as u64 + u64::from(body.unwrap_or_default())))
}

fn malformed(reason: &'static str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "SerializationException", reason)
}

impl Refusal {
    /// Writes the refusal as the last answer.
    async fn write(&self, to: &mut OwnedWriteHalf) -> io::Result<()> {
        let Self(status, kind, message) = self;
        let kind = format!("com.amazon.coral.service#{kind}");
        let body = json!({ "__type": kind, "message": message }).to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        to.write_all(answer.as_bytes()).await?;
        to.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> Result<Option<u64>, u16> {
        length(request.as_bytes()).map_err(|refusal| refusal.0.as_u16())
    }

    #[test]
    fn a_request_is_as_long_as_its_head_and_its_body() {
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n";
        let octets = head.len() as u64 + 12;
        assert_eq!(status(head), Ok(Some(octets)));
        assert_eq!(
            status(&format!("{head}twelve octets, and more")),
            Ok(Some(octets))
        );
        for end in 0..head.len() {
            assert_eq!(status(&head[..end]), Ok(None), "{end}");
        }
        let get = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        assert_eq!(status(get), Ok(Some(get.len() as u64)));
    }

    #[test]
    fn a_request_whose_length_is_not_plain_is_refused() {
        let with = |headers: &str| {
            status(&format!(
                "POST / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n"
            ))
        };
        assert_eq!(with("transfer-encoding: chunked"), Err(411));
        assert_eq!(
            with("content-length: 1\r\nTransfer-Encoding: chunked"),
            Err(411)
        );
        for length in ["", "+1", "-1", "1, 1", "1 1", "0x1", "18446744073709551616"] {
            let length = format!("content-length: {length}");
            assert_eq!(with(&length), Err(400), "{length}");
        }
        assert_eq!(with("content-length: 1\r\ncontent-length: 1"), Err(400));
        assert_eq!(status("PRI * HTTP/2.0\r\n\r\n"), Err(400));
    }

    #[test]
    fn every_header_that_tells_of_a_page_counts() {
        let with = |headers: &str| status(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n"));
        assert_eq!(with("HOST: localhost\r\nORIGIN: null"), Err(403));
        assert_eq!(
            with("Host: localhost\r\nSec-Fetch-Site: cross-site"),
            Err(403)
        );
        assert_eq!(with("Host: evil.example"), Err(421));
        assert_eq!(with("content-length: 0"), Err(421));
    }
}
