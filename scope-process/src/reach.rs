/// How far ending a process reaches: what counts as its own.
///
/// | | its group | left the group | began a session of its own (a daemon) | and cleared its environment |
/// |---|---|---|---|---|
/// | [`Session`](Reach::Session) | ended | ended | left alone | left alone |
/// | [`Marked`](Reach::Marked) | ended | ended | ended | **escapes** |
/// | [`Contained`](Reach::Contained) | ended | ended | ended | ended |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// Its process group, and whoever carries its [marker](crate::OwnerId) in the host's own session. For a server that
    /// starts daemons which are meant to go on without it: gpg-agent, an ssh ControlMaster.
    Session,
    /// Its process group, and whoever carries its marker.
    ///
    /// The default: it costs nothing at the start, needs no rights, and what it misses takes some effort, a process that
    /// leaves the group *and* clears its environment.
    #[default]
    Marked,
    /// The same, and nobody gets out: it runs in a cgroup of its own where the host may make one, else below a subreaper,
    /// a small process between it and the host.
    ///
    /// Not the default, for the price at the start: a program that is started with any preparation is started by `fork`,
    /// which copies the host's page tables (some 48 ms for each GiB that the host has in memory); and with a subreaper
    /// there is one more process for each server. Where neither can be had the server is started all the same, as
    /// [`Marked`](Reach::Marked), and the report [says so](crate::CloseReport::shortfalls).
    Contained,
}
