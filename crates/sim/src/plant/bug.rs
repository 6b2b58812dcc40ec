//! The list of planted bugs, each with its name on the command line.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// An accepted task is not written.
    LostInsert,
    /// A change of a task is not written.
    LostUpdate,
    /// A row that will move is marked as resting.
    WrongPlace,
    /// An attempt gets the number after the next.
    WrongAttemptNumber,
    /// An attempt that is no longer the last is not written.
    LostAttemptRow,
    /// A job forgets to count a completed task.
    LostJobCount,
    /// A task forgets to count an ended parent.
    LostParentCount,
    /// A claim is not written.
    ForgottenClaim,
    /// A pending task starts without its parents.
    StartedTooEarly,
    /// A pending task is skipped though its rule may still hold.
    SkippedWrongly,
    /// A commit number is left out.
    CommitGap,
    /// A lease number is used twice.
    ReusedLease,
    /// An ended task becomes ready without a new generation.
    Resurrected,
    /// A task that failed for good is not among the dead letters.
    SwallowedDeadLetter,
    /// A loss is not counted.
    FreeLoss,
    /// A retry waits longer than its cap.
    LongBackoff,
    /// A job ends before its tasks.
    EarlyClosure,
    /// The outcome of an ended attempt is rewritten.
    SecondOutcome,
    /// A live task is deleted.
    DeletedAlive,
    /// Effects leave before their commit.
    EffectsBeforeCommit,
    /// A stale outcome is acknowledged.
    StaleAccepted,
    /// An outcome is acknowledged as stale though it was taken; the worker's live attempts are told so too.
    GoodCalledStale,
    /// A grant goes to a second session too.
    GrantToTwo,
    /// A grant carries the token after the next.
    WrongToken,
    /// The cancel of a job is acknowledged and not carried out.
    IgnoredCancel,
    /// The outcome of a dead attempt is taken for the live one.
    AdoptedOutcome,
    /// A delay is forgotten.
    ForgottenDelay,
    /// A page of a lane loses a row.
    LostColdRow,
    /// A page of timers loses a row.
    LostColdTimer,
    /// A commit of unknown fate is taken for committed.
    UnknownIsCommitted,
    /// A node that lost its shard writes on with the new owner's fence.
    UnfencedZombie,
    /// Nobody wakes the core when something is due.
    DeafTimer,
    /// A load forgets the paused queues.
    ForgottenPause,
    /// A load forgets a running task.
    ForgottenLease,
    /// Something differs from run to run.
    Unrepeatable,
    /// A task that may be retried once more goes to the dead letters.
    OneRetryLess,
    /// A task whose retries are used up is tried once more.
    OneRetryMore,
    /// A task that three workers were lost over is tried again.
    PoisonRetried,
    /// A job forgets that a failure is unhandled.
    LostUnhandled,
    /// A task forgets that its children must still be told.
    LostSettling,
    /// A cold row is marked as resting.
    ColdForgotten,
    /// A ready task is put into the lane of another class.
    WrongLane,
    /// A lane is used and not written.
    ForgottenLane,
    /// A piece of a job's graph is not written.
    LostChunk,
    /// The output of a task is not written.
    LostOutput,
    /// What an attempt printed is not written.
    LostLog,
    /// The feed does not tell of something.
    LostFeed,
    /// The new body of a dead letter is not written.
    ForgottenEdit,
    /// A version of a definition is not written.
    LostDefinition,
    /// A definition is applied without a look at what it was checked against.
    UncheckedDefinition,
    /// A schedule is not told to follow its definition.
    LostInstall,
    /// An idempotency key is forgotten after a minute.
    ShortClaim,
    /// The shard's time sinks.
    TimeSinks,
    /// A retry comes before its wait is over.
    ShortBackoff,
    /// A task opens a generation that nobody asked for.
    FreeGeneration,
    /// A task is stored for another tenant.
    WrongTenant,
    /// A lease is stored for another session.
    WrongSession,
    /// An outcome is stored as another.
    WrongOutcome,
    /// A held task forgets why it waits.
    HeldForgotten,
    /// A redriven task is not written.
    LostRedrive,
    /// A discarded dead letter comes back.
    DiscardReturns,
    /// A skipped task blames the wrong parents.
    WrongBlame,
    /// A paused job is shown as running.
    PausedRunning,
    /// A sweep of a job skips a task.
    SweepSkips,
    /// The pause of a queue is acknowledged and not carried out.
    IgnoredPause,
    /// Renewals are not listened to.
    DeafRenewal,
    /// A grant never leaves.
    LostGrant,
    /// One tenant gets no grants.
    StarvedTenant,
    /// An answer never leaves.
    LostReply,
    /// A load forgets what workers were told.
    ForgottenDirective,
    /// A load forgets how far a sweep got.
    ForgottenSweep,
    /// A load forgets a row that is ready.
    ForgottenReady,
    /// A load forgets that there are cold timers.
    ForgottenTimers,
    /// A load forgets that there are cold ready tasks.
    ForgottenBacklog,
    /// A load starts with an older shard time.
    ForgottenTime,
    /// A commit that the store rejected is taken for committed.
    RejectedIsCommitted,
    /// Nobody is asked for the verdict on a task.
    LostQuestion,
    /// A load forgets who waits for a verdict.
    ForgottenQuestion,
    /// The verdict on another generation is taken.
    StaleVerdict,
    /// A task that may run is skipped.
    WrongVerdict,
    /// A grant carries a checkpoint of somebody else.
    WrongCheckpoint,
    /// The end of a child is not written at its group.
    GroupNeverSettled,
    /// A group ends before its child.
    GroupSettledEarly,
    /// An approval waits shorter than its timeout.
    EarlyTimeout,
    /// The child of a cancelled group goes on.
    ForgottenChild,
    /// A load forgets deadlines.
    ForgottenDeadline,
    /// A load forgets which jobs of a definition are live.
    ForgottenTurn,
    /// A key lets one more run than it allows.
    LimitOffByOne,
    /// The bucket of a key holds one permit more than it may.
    OverfullBucket,
    /// The quota of unfinished tasks lets a few more in than it may.
    LooseQuota,
    /// A load takes tenants to have no unfinished tasks.
    ForgottenUnfinished,
    /// Limits are acknowledged and not written.
    LostLimits,
    /// A load forgets the limits.
    ForgottenLimits,
    /// An occurrence fires twice.
    DoubleFire,
    /// A record of the ledger is not written.
    LostInstant,
    /// An occurrence fires before its instant.
    EarlyFire,
    /// What an overlap policy holds back fires.
    IgnoredOverlap,
    /// An edit forgets what was covered.
    ForgottenCovered,
    /// A shard's answer to a worker's call loses its grants.
    LostPart,
    /// A place is offered twice.
    DoubleOffer,
    /// A call goes to the wrong shard.
    Misrouted,
    /// A shard does not hear of the settings.
    DeafFollower,
    /// A shard does not hear that a node has ended.
    UntoldEnd,
    /// Nobody takes the shards of a dead node.
    OrphanedShard,
    /// A node keeps more shards than its share.
    Hoarder,
    /// A node takes a shard of one that lives.
    StolenShard,
    /// A node hands grants out though its beat is late.
    DeafPulse,
    /// A shard hears of a gift that was not made.
    InflatedLoan,
}

impl Plant {
    /// All bugs.
    pub const ALL: [Plant; 108] = [
        Plant::LostInsert,
        Plant::LostUpdate,
        Plant::WrongPlace,
        Plant::WrongAttemptNumber,
        Plant::LostAttemptRow,
        Plant::LostJobCount,
        Plant::LostParentCount,
        Plant::ForgottenClaim,
        Plant::StartedTooEarly,
        Plant::SkippedWrongly,
        Plant::CommitGap,
        Plant::ReusedLease,
        Plant::Resurrected,
        Plant::SwallowedDeadLetter,
        Plant::FreeLoss,
        Plant::LongBackoff,
        Plant::EarlyClosure,
        Plant::SecondOutcome,
        Plant::DeletedAlive,
        Plant::EffectsBeforeCommit,
        Plant::StaleAccepted,
        Plant::GoodCalledStale,
        Plant::GrantToTwo,
        Plant::WrongToken,
        Plant::IgnoredCancel,
        Plant::AdoptedOutcome,
        Plant::ForgottenDelay,
        Plant::LostColdRow,
        Plant::LostColdTimer,
        Plant::UnknownIsCommitted,
        Plant::UnfencedZombie,
        Plant::DeafTimer,
        Plant::ForgottenPause,
        Plant::ForgottenLease,
        Plant::Unrepeatable,
        Plant::OneRetryLess,
        Plant::OneRetryMore,
        Plant::PoisonRetried,
        Plant::LostUnhandled,
        Plant::LostSettling,
        Plant::ColdForgotten,
        Plant::WrongLane,
        Plant::ForgottenLane,
        Plant::LostChunk,
        Plant::LostOutput,
        Plant::LostLog,
        Plant::LostFeed,
        Plant::ForgottenEdit,
        Plant::LostDefinition,
        Plant::UncheckedDefinition,
        Plant::LostInstall,
        Plant::ShortClaim,
        Plant::TimeSinks,
        Plant::ShortBackoff,
        Plant::FreeGeneration,
        Plant::WrongTenant,
        Plant::WrongSession,
        Plant::WrongOutcome,
        Plant::HeldForgotten,
        Plant::LostRedrive,
        Plant::DiscardReturns,
        Plant::WrongBlame,
        Plant::PausedRunning,
        Plant::SweepSkips,
        Plant::IgnoredPause,
        Plant::DeafRenewal,
        Plant::LostGrant,
        Plant::StarvedTenant,
        Plant::LostReply,
        Plant::ForgottenDirective,
        Plant::ForgottenSweep,
        Plant::ForgottenReady,
        Plant::ForgottenTimers,
        Plant::ForgottenBacklog,
        Plant::ForgottenTime,
        Plant::RejectedIsCommitted,
        Plant::LostQuestion,
        Plant::ForgottenQuestion,
        Plant::StaleVerdict,
        Plant::WrongVerdict,
        Plant::WrongCheckpoint,
        Plant::GroupNeverSettled,
        Plant::GroupSettledEarly,
        Plant::EarlyTimeout,
        Plant::ForgottenChild,
        Plant::ForgottenDeadline,
        Plant::ForgottenTurn,
        Plant::LimitOffByOne,
        Plant::OverfullBucket,
        Plant::LooseQuota,
        Plant::ForgottenUnfinished,
        Plant::LostLimits,
        Plant::ForgottenLimits,
        Plant::DoubleFire,
        Plant::LostInstant,
        Plant::EarlyFire,
        Plant::IgnoredOverlap,
        Plant::ForgottenCovered,
        Plant::LostPart,
        Plant::DoubleOffer,
        Plant::Misrouted,
        Plant::DeafFollower,
        Plant::UntoldEnd,
        Plant::OrphanedShard,
        Plant::Hoarder,
        Plant::StolenShard,
        Plant::DeafPulse,
        Plant::InflatedLoan,
    ];

    /// Whether it stands where only worlds of several shards come.
    pub fn is_of_clusters(self) -> bool {
        matches!(
            self,
            Self::LostPart
                | Self::DoubleOffer
                | Self::Misrouted
                | Self::DeafFollower
                | Self::UntoldEnd
                | Self::OrphanedShard
                | Self::Hoarder
                | Self::StolenShard
                | Self::DeafPulse
                | Self::InflatedLoan
        )
    }

    /// Its name on the command line: `lost-insert`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// Reads [`Plant::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.name() == name)
    }
}
