use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use memchr::memchr;
use memchr::memmem::Finder;

use super::LONG;
use super::lines::Lines;

/// Where the id of a request begins, in what everyone writes.
const BEFORE_ID: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":";

/// Answers until the input ends. All requests that one read brings are answered by one write.
pub(in crate::mcp) fn serve() -> io::Result<()> {
    // Without the buffers that std has in between.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut lines = Lines::default();
    let mut server =
        Server { modern: false, method: Finder::new("\"method\":\""), message: Finder::new("\"message\":\"") };
    let mut out = Vec::new();
    while lines.fill(&mut input)? > 0 {
        while let Some(line) = lines.next() {
            server.answer(line, &mut out, &mut output)?;
        }
        output.write_all(&out)?;
        out.clear();
    }
    Ok(())
}

struct Server {
    /// Asked by `server/discover`: results say then that they are results.
    modern: bool,
    method: Finder<'static>,
    message: Finder<'static>,
}

impl Server {
    fn answer(&mut self, line: &[u8], out: &mut Vec<u8>, output: &mut File) -> io::Result<()> {
        // A notification has no id there.
        let Some(rest) = line.strip_prefix(BEFORE_ID) else { return Ok(()) };
        let id = &rest[..memchr(b',', rest).ok_or(io::ErrorKind::InvalidData)?];
        let method = &rest[self.method.find(rest).ok_or(io::ErrorKind::InvalidData)? + 10..];
        out.extend_from_slice(BEFORE_ID);
        out.extend_from_slice(id);
        if method.starts_with(b"tools/call\"") {
            let message = &method[self.message.find(method).ok_or(io::ErrorKind::InvalidData)? + 11..];
            let message = &message[..memchr(b'"', message).ok_or(io::ErrorKind::InvalidData)?];
            let complete = if self.modern { "\"resultType\":\"complete\"," } else { "" };
            write!(out, ",\"result\":{{{complete}\"content\":[{{\"type\":\"text\",\"text\":\"")?;
            if message.len() > LONG {
                output.write_all(out)?;
                out.clear();
                output.write_all(message)?;
            } else {
                out.extend_from_slice(message);
            }
            out.extend_from_slice(b"\"}]}}\n");
        } else if method.starts_with(b"initialize\"") {
            out.extend_from_slice(
                br#","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1.0"}}}"#,
            );
            out.push(b'\n');
        } else if method.starts_with(b"server/discover\"") {
            self.modern = true;
            out.extend_from_slice(
                br#","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"raw","version":"1.0"}}}}"#,
            );
            out.push(b'\n');
        } else {
            out.extend_from_slice(b",\"error\":{\"code\":-32601,\"message\":\"not known\"}}\n");
        }
        Ok(())
    }
}
