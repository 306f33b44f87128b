//! How a connection begins: which era the server belongs to, and what it says of itself.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use scope_core::rt::{Handle, Sleep};
use serde_json::value::RawValue;

use super::connection::Connection;
use crate::decode::decode;
use crate::era::Stamp;
use crate::era::probe::{Verdict, of_error, of_result};
use crate::error::{CallError, CallName, OpenError, OpenKind};
use crate::jsonrpc::Written;
use crate::model::{DiscoverResult, Implementation, InitializeParams, InitializeResult, Object, ServerCapabilities};
use crate::session::{Given, NewCall, Pending, Session, pair};
use crate::{Era, Revision};

/// What an opening request is answered with.
type Answer = Result<Box<RawValue>, CallError>;

/// A server that prints more lines of text than this before it has answered is none.
const MAX_TEXT: u64 = 1000;

/// So often a server may want to be asked in another revision.
const MAX_AGAIN: u32 = 3;

/// What a server said of itself.
pub(super) struct Introduced {
    pub(super) server: Implementation,
    pub(super) revision: Revision,
    /// What stands in each request.
    pub(super) stamp: Stamp,
    pub(super) capabilities: ServerCapabilities,
    pub(super) instructions: Option<String>,
}

/// What was asked and has not been answered.
struct Opening {
    rt: Handle,
    until: Instant,
    discover: Option<Pending<'static>>,
    initialize: Option<Pending<'static>>,
    /// `discover` has had its time alone.
    patience: Option<Sleep>,
    asked_again: u32,
    /// What `initialize` was answered with, while `discover` may still be answered.
    refused: Option<OpenKind>,
}

enum Heard {
    Discover(Answer),
    Initialize(Answer),
    OutOfPatience,
    TooMuchText(u64),
}

impl Connection {
    /// Finds out the server's era, and agrees upon a revision. A server that ends when it is asked is started again.
    pub(super) async fn introduce(&mut self, rt: &Handle, started: Instant) -> Result<Introduced, OpenError> {
        let options = &self.shared.options;
        let (chosen, until) = (options.era, started + options.open_timeout);
        let opening = Opening {
            rt: rt.clone(),
            until,
            discover: None,
            initialize: None,
            patience: None,
            asked_again: 0,
            refused: None,
        };
        let result = self.ask_for_era(opening, chosen).await;
        match result {
            Err(OpenKind::Gone(gone)) if chosen.is_none() && self.can_start_again() => {
                tracing::debug!(server = &*self.shared.server, %gone, "started again, without server/discover");
                self.start_again(rt).await?;
                let opening = Opening {
                    rt: rt.clone(),
                    until,
                    discover: None,
                    initialize: None,
                    patience: None,
                    asked_again: 0,
                    refused: None,
                };
                let result = self.ask_for_era(opening, Some(Era::Legacy)).await;
                result.map_err(|kind| self.failed(kind))
            }
            result => result.map_err(|kind| self.failed(kind)),
        }
    }

    async fn ask_for_era(&mut self, mut opening: Opening, chosen: Option<Era>) -> Result<Introduced, OpenKind> {
        if chosen == Some(Era::Legacy) {
            self.ask_initialize(&mut opening)?;
        } else {
            self.ask_discover(&mut opening, Revision::LATEST)?;
            if chosen.is_none() {
                opening.patience = Some(opening.rt.sleep(self.shared.options.probe_timeout));
            }
        }
        loop {
            match self.hear(&mut opening).await? {
                Heard::TooMuchText(lines) => return Err(OpenKind::Text(lines)),
                Heard::OutOfPatience => self.ask_initialize(&mut opening)?,
                Heard::Initialize(answer) => {
                    let agreed = answer.map_err(|error| self.kind(&error)).and_then(|answer| self.initialized(&answer));
                    match agreed {
                        Ok(introduced) => return Ok(introduced),
                        Err(kind) if opening.discover.is_none() || matches!(kind, OpenKind::Gone(_)) => {
                            return Err(kind);
                        }
                        // One of the modern era that is slow refuses this, and answers the other yet.
                        Err(kind) => opening.refused = Some(kind),
                    }
                }
                Heard::Discover(answer) => {
                    if let Some(introduced) = self.discovered(&mut opening, answer, chosen)? {
                        return Ok(introduced);
                    }
                }
            }
        }
    }

    /// `None` if there is more to be heard.
    fn discovered(
        &mut self,
        opening: &mut Opening,
        answer: Answer,
        chosen: Option<Era>,
    ) -> Result<Option<Introduced>, OpenKind> {
        let verdict = match &answer {
            Ok(result) => of_result(result),
            Err(error) => match error.rejection() {
                Some(rejection) => of_error(rejection),
                None if error.is_disconnected() || error.is_closed() => return Err(self.kind(error)),
                None => Verdict::Legacy,
            },
        };
        match verdict {
            Verdict::Modern(revision, result) => return self.settle(revision, *result).map(Some),
            Verdict::Again(revision) if opening.asked_again < MAX_AGAIN => {
                opening.asked_again += 1;
                self.ask_discover(opening, revision)?;
                return Ok(None);
            }
            Verdict::NothingInCommon(names) => return Err(OpenKind::Revision(names.join(", "))),
            Verdict::Again(_) | Verdict::Refused => {}
            Verdict::Legacy if chosen.is_none() => {
                if let Some(refused) = opening.refused.take() {
                    return Err(refused);
                }
                if opening.initialize.is_none() {
                    self.ask_initialize(opening)?;
                }
                return Ok(None);
            }
            Verdict::Legacy => {}
        }
        Err(match answer {
            Ok(_) => OpenKind::Malformed("it is no result of server/discover".to_owned()),
            Err(error) => self.kind(&error),
        })
    }

    /// The server is modern, and has said what it is.
    fn settle(&mut self, revision: Revision, result: DiscoverResult) -> Result<Introduced, OpenKind> {
        self.session()?.agreed(revision);
        // Some say it where earlier drafts had it.
        let told = result.server_info().or_else(|| decode(&result.extra.get("serverInfo")?.to_string()).ok());
        Ok(Introduced {
            server: told.unwrap_or_else(|| Implementation::new(&*self.shared.server, "")),
            revision,
            stamp: self.stamp(revision),
            capabilities: result.capabilities,
            instructions: result.instructions,
        })
    }

    /// The server is legacy, and has said what it is.
    fn initialized(&mut self, answer: &RawValue) -> Result<Introduced, OpenKind> {
        let answer: InitializeResult = decode(answer.get()).map_err(OpenKind::Malformed)?;
        let Some(revision) = Revision::from_name(&answer.protocol_version).filter(|it| it.era() == Era::Legacy) else {
            return Err(OpenKind::Revision(answer.protocol_version));
        };
        let session = self.session()?;
        session.agreed(revision);
        session.notify("notifications/initialized", None);
        Ok(Introduced {
            server: answer.server_info,
            revision,
            stamp: Stamp::default(),
            capabilities: answer.capabilities,
            instructions: answer.instructions,
        })
    }

    fn ask_discover(&mut self, opening: &mut Opening, revision: Revision) -> Result<(), OpenKind> {
        let stamp = self.stamp(revision);
        opening.discover = Some(self.ask_first(opening, &stamp, "server/discover", &Object::new())?);
        Ok(())
    }

    fn ask_initialize(&mut self, opening: &mut Opening) -> Result<(), OpenKind> {
        let revision = Revision::LATEST_LEGACY;
        let capabilities = self.shared.handlers.capabilities(revision);
        let params = InitializeParams::new(revision.as_str(), capabilities, self.shared.options.client_info.clone());
        opening.initialize = Some(self.ask_first(opening, &Stamp::default(), "initialize", &params)?);
        Ok(())
    }

    fn ask_first(
        &mut self,
        opening: &Opening,
        stamp: &Stamp,
        method: &'static str,
        params: &impl serde::Serialize,
    ) -> Result<Pending<'static>, OpenKind> {
        let params = Written::of(params).map_err(|error| OpenKind::Other(error.to_string()))?;
        let id = self.shared.next_id();
        let line = stamp.request(id, method, Some(Cow::Owned(params)), false, &Object::new());
        let line = line.map_err(|why| OpenKind::Other(why.to_owned()))?;
        let name =
            CallName { server: Cow::Owned(Arc::clone(&self.shared.server)), method: method.into(), subject: None };
        let (reply, pending) = pair(id, name, &self.shared.abandoned);
        let now = opening.rt.now();
        let left = opening.until.saturating_duration_since(now).max(Duration::from_nanos(1));
        self.session()?.call(now, NewCall::new(id, method, line, left, reply));
        Ok(pending)
    }

    fn stamp(&self, revision: Revision) -> Stamp {
        let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap_or_else(|_| "{}".to_owned());
        let capabilities = self.shared.handlers.capabilities(revision);
        Stamp::modern(
            revision,
            &json(&|| serde_json::to_string(&capabilities)),
            &json(&|| serde_json::to_string(&self.shared.options.client_info)),
        )
    }

    /// Moves what there is to move until something of all this is answered.
    async fn hear(&mut self, opening: &mut Opening) -> Result<Heard, OpenKind> {
        let (session, link, shared) = self.wires()?;
        let heard = poll_fn(|cx| {
            // Calls given up before they were taken over: nothing is known of them here. What is known is of these here.
            for id in shared.abandoned.poll_take(cx) {
                session.abandon(id);
            }
            if let Poll::Ready(gone) = link.poll(session, &mut Session::hear, cx) {
                session.interrupted(&gone);
            }
            opening.poll(session, cx)
        });
        Ok(heard.await)
    }

    fn kind(&self, error: &CallError) -> OpenKind {
        open_kind(error, self.shared.options.open_timeout)
    }
}

impl Opening {
    fn poll(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<Heard> {
        if let Some(answer) = take_ready(&mut self.discover, cx) {
            return Poll::Ready(Heard::Discover(answer));
        }
        if let Some(answer) = take_ready(&mut self.initialize, cx) {
            return Poll::Ready(Heard::Initialize(answer));
        }
        let lines = session.noise().count();
        if lines > MAX_TEXT {
            return Poll::Ready(Heard::TooMuchText(lines));
        }
        if let Some(patience) = &mut self.patience
            && Pin::new(patience).poll(cx).is_ready()
        {
            self.patience = None;
            if self.initialize.is_none() {
                return Poll::Ready(Heard::OutOfPatience);
            }
        }
        Poll::Pending
    }
}

fn take_ready(pending: &mut Option<Pending<'_>>, cx: &mut Context<'_>) -> Option<Answer> {
    match Pin::new(pending.as_mut()?).poll(cx) {
        Poll::Ready(answer) => {
            *pending = None;
            Some(answer.map(Given::into_raw))
        }
        Poll::Pending => None,
    }
}

/// Why an opening request has no result.
fn open_kind(error: &CallError, timeout: Duration) -> OpenKind {
    if let Some(gone) = error.disconnect() {
        OpenKind::Gone(gone.clone())
    } else if let Some(rejection) = error.rejection() {
        OpenKind::Rejected(rejection.clone())
    } else if error.is_timeout() {
        OpenKind::TimedOut(timeout)
    } else if error.is_closed() {
        OpenKind::Closed
    } else {
        OpenKind::Malformed(error.reason())
    }
}
