//! What kind of world a seed makes: sizes, windows and how often each fault strikes.

use mainspring_core::shard::ShardConfig;

use crate::plant::Plant;
use crate::rng::Rng;

/// A world, before it begins.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The seed it was drawn from.
    pub seed: u64,
    /// No faults at all: then nothing may be lost, repeated or late.
    pub calm: bool,
    /// How the shard is run: small windows, so that paging and continuations happen in small worlds.
    pub shard: ShardConfig,
    /// Worker processes.
    pub workers: usize,
    /// Attempts that one worker runs at a time.
    pub slots: u32,
    /// Lease time that workers ask for, in milliseconds.
    pub lease_ms: u64,
    /// How long an idle exchange waits, in milliseconds.
    pub wait_ms: u64,
    /// What clients send in all.
    pub calls: u64,
    /// Mean milliseconds between two calls of clients.
    pub call_every_ms: u64,
    /// Largest job.
    pub job_tasks_max: u64,
    /// Largest batch.
    pub batch_max: u64,
    /// Longest delay and latest start, in milliseconds.
    pub delay_max_ms: u64,
    /// Share of clients' calls that are orders, in a hundred.
    pub orders_percent: u64,
    /// Milliseconds that a commit takes, at least and at most.
    pub commit_ms: (u64, u64),
    /// Milliseconds that a read takes, at least and at most.
    pub read_ms: (u64, u64),
    /// Milliseconds on the network, at least and at most.
    pub net_ms: (u64, u64),
    /// Milliseconds that events wait in the mailbox for company, at most.
    pub mailbox_ms: u64,
    /// Fault rates.
    pub faults: Faults,
    /// Whether recovery is compared at every quiet commit, or only sometimes.
    pub recovery_always: bool,
    /// Once faults stop, this many virtual milliseconds may pass until everything has ended.
    pub patience_ms: u64,
    /// Faults never quite stop: what remains is a lossy network, failing reads and commits, and a worker that stays dead.
    pub lasting: bool,
    /// Share of the jobs whose tasks have flows, deadlines and turns, in a hundred.
    pub flow_percent: u64,
    /// Several shards on several nodes; `None`: one shard.
    pub cluster: Option<ClusterConfig>,
    /// A planted bug, if this run shows that it is found.
    pub plant: Option<Plant>,
}

/// A world of several shards.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Shards, 2 to 4.
    pub shards: u16,
    /// Nodes, 2 or 3.
    pub nodes: usize,
    /// All nodes run on one machine: each sees at once that the process of another is gone.
    pub one_machine: bool,
    /// The last worker lives inside the first node.
    pub inside: bool,
    /// Milliseconds between two nodes, at least and at most.
    pub between_ms: (u64, u64),
    /// Calls between nodes that are cut off, in a thousand.
    pub cut: u64,
    /// How often a node dies, stops, is cut off or cannot beat, and how often a worker changes over to another.
    pub strokes: u64,
}

/// How often each fault strikes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Messages lost, in a thousand.
    pub lost: u64,
    /// Messages delivered twice, in a thousand.
    pub duplicated: u64,
    /// Messages delayed by seconds, in a thousand.
    pub reordered: u64,
    /// Commits of unknown fate, in a thousand.
    pub commit_unknown: u64,
    /// Commits refused because another owner took over, in a thousand.
    pub commit_rejected: u64,
    /// Reads that fail, in a thousand.
    pub read_failed: u64,
    /// Node crashes at a step of its input and output, in ten thousand.
    pub crash: u64,
    /// Strokes of fate (worker crash, pause, drain, clock jump, takeover) over the whole run.
    pub strokes: u64,
}

impl WorldConfig {
    /// The world of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let calm = rng.percent(10);
        let rough = *rng.pick(&[0, 1, 1, 2, 4]);
        let mut shard = Self::shard(rng);
        if calm {
            // Whoever waits in a long poll is silent, and is not lost for it.
            shard.session_grace_ms = 45_000;
        }
        let calls = *rng.pick(&[6, 12, 25, 40]);
        let slow_store = rng.percent(25);
        Self {
            seed,
            calm,
            shard,
            workers: rng.range(1, 4) as usize,
            slots: rng.range(1, 4) as u32,
            lease_ms: if calm { 15_000 } else { *rng.pick(&[800, 2_000, 5_000, 15_000]) },
            wait_ms: *rng.pick(&[500, 5_000, 20_000]),
            calls,
            call_every_ms: *rng.pick(&[2, 50, 400, 1_500]),
            job_tasks_max: *rng.pick(&[3, 8, 8, 20, 60]),
            batch_max: *rng.pick(&[1, 4, 12, 30]),
            delay_max_ms: *rng.pick(&[200, 3_000, 30_000, 600_000]),
            orders_percent: *rng.pick(&[0, 20, 45, 60]),
            commit_ms: if slow_store { (1, 400) } else { (0, 4) },
            read_ms: if slow_store { (0, 300) } else { (0, 3) },
            net_ms: *rng.pick(&[(0, 1), (0, 3), (1, 40), (5, 400)]),
            mailbox_ms: *rng.pick(&[0, 1, 5, 30]),
            faults: if calm { Faults::default() } else { Faults::draw(rng, rough) },
            recovery_always: seed.is_multiple_of(50),
            patience_ms: 3 * 3_600_000,
            lasting: false,
            flow_percent: *rng.pick(&[0, 0, 30, 80]),
            cluster: None,
            plant: None,
        }
    }

    /// The world of a seed with several shards on several nodes. Drawn beside the other ones, so that those stay as they are.
    pub fn cluster(seed: u64) -> Self {
        let mut config = Self::of_seed(seed ^ 0x0073_6861_7264);
        let rng = &mut Rng::new(seed ^ 0x636c_7573_7465_7231);
        config.seed = seed;
        config.recovery_always = seed.is_multiple_of(50);
        let shards = rng.range(2, 4) as u16;
        config.workers = config.workers.max(2);
        // Half an hour of beats says as much as three.
        config.patience_ms = 3_600_000;
        config.cluster = Some(ClusterConfig {
            shards,
            nodes: rng.range(2, 3) as usize,
            one_machine: rng.percent(30),
            inside: rng.percent(50),
            between_ms: *rng.pick(&[(0, 1), (0, 3), (1, 30)]),
            cut: if config.calm { 0 } else { *rng.pick(&[0, 0, 5, 30]) },
            strokes: rng.below(7),
        });
        config.shard.shards = shards;
        config
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.cluster.as_ref().map_or(1, |cluster| cluster.shards)
    }

    /// How many nodes there are. One shard has two, which take it over from one another.
    pub fn nodes(&self) -> usize {
        self.cluster.as_ref().map_or(2, |cluster| cluster.nodes)
    }

    /// How a shard is run.
    pub fn shard_config(&self, shard: usize) -> ShardConfig {
        let number = u16::try_from(shard).expect("there are few shards");
        ShardConfig { control: shard == 0, shard: number, ..self.shard.clone() }
    }

    /// The world of a seed with faults that go on for ever, at low rates, and no operator to help (R02).
    pub fn lasting(seed: u64) -> Self {
        let mut config = Self::of_seed(seed);
        let rng = &mut Rng::new(seed ^ 0x6c61_7374);
        config.calm = false;
        config.lasting = true;
        config.orders_percent = 0;
        config.workers = config.workers.max(2);
        config.faults = Faults::draw(rng, 2);
        config.faults.lost = config.faults.lost.max(5);
        config.faults.strokes += 2;
        config
    }

    fn shard(rng: &mut Rng) -> ShardConfig {
        ShardConfig {
            lane_window: *rng.pick(&[1, 2, 3, 8, 64]),
            ready_max: *rng.pick(&[0, 4, 30]),
            horizon_ms: *rng.pick(&[100, 1_000, 10_000, 60_000]),
            timers_max: *rng.pick(&[1, 2, 4, 16, 1_000]),
            resting_max: *rng.pick(&[0, 1, 4, 16, 1_000]),
            chunks_max: *rng.pick(&[1, 2, 64]),
            step_rows_max: *rng.pick(&[8, 12, 20, 64, 4_000]),
            session_grace_ms: *rng.pick(&[1_000, 10_000, 45_000]),
            seed: rng.next_u64(),
            control: true,
            shard: 0,
            shards: 1,
        }
    }
}

impl Faults {
    fn draw(rng: &mut Rng, rough: u64) -> Self {
        let mut rate = |high: u64| if rng.percent(60) { rng.below(high * rough + 1) } else { 0 };
        Self {
            lost: rate(40),
            duplicated: rate(30),
            reordered: rate(20),
            commit_unknown: rate(8),
            commit_rejected: rate(3),
            read_failed: rate(20),
            crash: rate(20),
            strokes: rate(6),
        }
    }
}
