//! The owner of a connection: the task that speaks with a client.
//!
//! ```text
//!  speaking ──── the client says no more ────▶ draining ──── all is answered and written, or time is up ────▶ ended
//!     │────── it is to be closed ─────────────▶ (nothing new is begun then)
//!     └────── the client is gone ─────────────────────────────────────────────────────────────────────────────▶
//! ```

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use scope_core::{Exit, Failure, Inbox, Name, Service, Spawner, nursery, rt};
use serde_json::value::to_raw_value;

use super::changes::Change;
use super::dispatch::Dispatch;
use super::report::{ServeEnding, ServeReport};
use super::shared::Shared;
use super::{ServeOptions, Server};
use crate::error::Gone;
use crate::jsonrpc;
use crate::peer::Peer;
use crate::session::Session;
use crate::state::{Course, State};
use crate::transport::{CLOSING, Link, Stream};

/// For everything about ending a connection that is not waiting for the client.
const MARGIN: Duration = Duration::from_secs(1);

/// The service behind a [`ServerHandle`](super::ServerHandle).
pub(super) struct Connection {
    dispatch: Dispatch,
    /// Until it is opened.
    stream: Option<Stream>,
    peer: Peer,
    link: Option<Link>,
    ending: Option<ServeEnding>,
    /// Requests that had no answer when it was over.
    cut: usize,
}

/// Why the client is not listened to any more.
enum Over {
    InputEnded,
    ToBeClosed,
    Gone(Gone),
}

impl Connection {
    pub(super) fn new(server: Server, stream: Stream, options: ServeOptions) -> Connection {
        let shared = Arc::new(Shared::new(server, options));
        let session = Session::new(&shared.client, shared.options.settings(), &shared.subscribers);
        let peer = Peer::new(session, Arc::clone(&shared.desk), Arc::clone(&shared.abandoned));
        Connection { dispatch: Dispatch::new(shared), stream: Some(stream), peer, link: None, ending: None, cut: 0 }
    }

    pub(super) fn course(&self) -> Arc<Course> {
        Arc::clone(&self.dispatch.shared.course)
    }

    /// Speaks with the client, until there is nothing more to be said.
    async fn talk(&mut self, inbox: &mut Inbox<Infallible>, children: &Spawner<Failure>) -> ServeEnding {
        let shared = Arc::clone(&self.dispatch.shared);
        let Some(rt) = shared.rt.get() else { return ServeEnding::Closed };
        let over = {
            let mut to_be_closed = pin!(inbox.next());
            poll_fn(|cx| {
                let others = self.peer.others_woken(cx);
                let mut closing = Poll::Pending;
                if let Some(others) = &others {
                    let cx = &mut Context::from_waker(others);
                    closing = to_be_closed.as_mut().poll(cx);
                    self.tell_changes(cx);
                } else {
                    Inbox::<Infallible>::note_waiting();
                }
                if let Poll::Ready(gone) = self.poll(others.is_some(), rt, children, cx) {
                    return Poll::Ready(Over::Gone(gone));
                }
                if self.link.as_ref().is_none_or(Link::input_ended) {
                    return Poll::Ready(Over::InputEnded);
                }
                closing.map(|_| Over::ToBeClosed)
            })
            .await
        };
        let ending = match over {
            Over::Gone(gone) => {
                self.cut = self.peer.session.unanswered_requests();
                return ServeEnding::Lost(gone);
            }
            Over::InputEnded => {
                self.peer.session.end_input();
                ServeEnding::ClientEnded
            }
            Over::ToBeClosed => {
                self.dispatch.refuse_more();
                ServeEnding::Closed
            }
        };
        shared.closing.begin();
        shared.course.go(State::Closing);
        let mut time_is_up = pin!(rt.sleep(shared.options.drain));
        let gone = poll_fn(|cx| {
            let others = self.peer.others_woken(cx).is_some();
            if let Poll::Ready(gone) = self.poll(others, rt, children, cx) {
                return Poll::Ready(Some(gone));
            }
            let session = &self.peer.session;
            if !session.serves() && !session.has_output() {
                return Poll::Ready(None);
            }
            time_is_up.as_mut().poll(cx).map(|()| None)
        })
        .await;
        self.cut = self.peer.session.unanswered_requests();
        gone.map_or(ending, ServeEnding::Lost)
    }

    fn poll(&mut self, others: bool, rt: &rt::Handle, children: &Spawner<Failure>, cx: &mut Context<'_>) -> Poll<Gone> {
        let Connection { dispatch, peer, link, .. } = self;
        let Some(link) = link else { return Poll::Pending };
        peer.poll(link, others, rt, children, dispatch, cx)
    }

    /// In the legacy era a client is told of changes without having to wait for them.
    fn tell_changes(&mut self, cx: &mut Context<'_>) {
        let shared = &self.dispatch.shared;
        if let Poll::Ready(news) = shared.changes.poll_take(cx)
            && shared.legacy.get().is_some()
        {
            for (method, params) in news.iter().filter_map(Change::notification) {
                if let Ok(params) = to_raw_value(&params) {
                    self.peer.session.send(jsonrpc::notification(method, Some(&params)));
                }
            }
        }
    }
}

impl Service for Connection {
    type Request = Infallible;
    type Info = ();
    type Report = ServeReport;

    fn name(&self) -> Name {
        self.dispatch.shared.options.client_name.clone().into()
    }

    fn cleanup_budget(&self) -> Option<Duration> {
        Some(CLOSING.saturating_add(MARGIN))
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let shared = &self.dispatch.shared;
        let rt = rt::current()?;
        let rt = shared.rt.get_or_init(|| rt);
        if let Some(stream) = self.stream.take() {
            self.link = Some(Link::serving(stream, &shared.client, shared.options.max_line, rt));
        }
        shared.course.go(State::Ready);
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Infallible>) -> Result<(), Failure> {
        // The requests that run end with this.
        let ending = nursery(async |n| {
            // Once: a connection is served once.
            let _ = self.dispatch.shared.children.set(n.spawner());
            let ending = self.talk(inbox, &n.spawner()).await;
            self.peer.cancel_requests("the connection is over");
            self.dispatch.shared.tasks.end();
            // Whatever waits for the client to read, waits in vain.
            self.peer.desk.end();
            Ok(ending)
        })
        .named("requests")
        .await?;
        self.ending = Some(ending);
        Ok(())
    }

    async fn end(&mut self, exit: Exit) -> ServeReport {
        let shared = &self.dispatch.shared;
        shared.closing.begin();
        shared.course.go(State::Closing);
        self.peer.close();
        if let Some(link) = &mut self.link {
            link.end().await;
        }
        let ending = self.ending.take().unwrap_or_else(|| match exit {
            Exit::Ok => ServeEnding::Closed,
            Exit::Cancelled(reason) => ServeEnding::Cancelled(reason.to_string()),
            other => ServeEnding::Failed(other.to_string()),
        });
        ServeReport {
            client: Arc::clone(&shared.client),
            revision: shared.legacy.get().map(|caller| caller.revision),
            client_info: shared.legacy.get().and_then(|caller| caller.info.clone()),
            ending,
            cut: self.cut,
            traffic: self.peer.session.traffic(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.link = None;
        self.dispatch.shared.course.finish();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).field("link", &self.link).finish_non_exhaustive()
    }
}
