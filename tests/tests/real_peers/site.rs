//! A web site of our own, on the loopback, for the server that fetches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;

/// Page number `i`.
pub(crate) fn page(i: usize) -> String {
    url(&i.to_string())
}

/// What stands on page number `i`.
pub(crate) fn content(i: usize) -> String {
    format!("page {i} ends here\n")
}

/// There is none.
pub(crate) fn missing() -> String {
    url("missing")
}

/// A page that never comes.
pub(crate) fn silent() -> String {
    url("silent")
}

fn url(page: &str) -> String {
    static PORT: LazyLock<u16> = LazyLock::new(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback should have a port");
        let port = listener.local_addr().expect("it is bound").port();
        // Lives as long as this program: a visit that comes later may want it too.
        thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                thread::spawn(move || serve(&visitor));
            }
        });
        port
    });
    format!("http://127.0.0.1:{}/{page}", *PORT)
}

/// One answer. A visitor who leaves early is no error.
fn serve(visitor: &TcpStream) {
    let mut lines = BufReader::new(visitor.take(16 * 1024)).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    if lines.by_ref().all(|line| !line.is_empty()) {
        return;
    }
    let page = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    if page == "silent" {
        // Until it hangs up.
        lines.for_each(drop);
        return;
    }
    let (status, body) = match page.parse() {
        Ok(i) => ("200 OK", content(i)),
        Err(_) => ("404 Not Found", String::new()),
    };
    let _ = write!(
        &*visitor,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
    );
}
