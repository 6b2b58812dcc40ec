//! Properties of backoff, keys, buckets and instants: integers over their whole range.

use mainspring_core::id::{BUCKETS, Bucket, IdKind, Key};
use mainspring_core::spec::{Backoff, BackoffShape};
use mainspring_core::time::Timestamp;
use proptest::prelude::*;

/// Numbers of every size, the largest included.
fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), 0..10_000_u64, any::<u64>()]
}

fn backoff() -> impl Strategy<Value = Backoff> {
    let shape = prop_oneof![Just(BackoffShape::Fixed), Just(BackoffShape::Linear), Just(BackoffShape::Exponential)];
    (shape, any_size(), any_size(), any_size(), any::<bool>()).prop_map(
        |(shape, initial_ms, factor_milli, max_ms, full_jitter)| Backoff {
            shape,
            initial_ms,
            factor_milli,
            max_ms,
            full_jitter,
        },
    )
}

proptest! {
    /// I17.
    #[test]
    fn a_backoff_stays_within_its_cap_and_never_shrinks(backoff in backoff(), from in 0..2_000_u32, random in any::<u64>()) {
        let mut last = 0;
        for n in [from, from + 1, from + 2, from + 1_000] {
            let base = backoff.base_ms(n);
            prop_assert!(base <= backoff.max_ms);
            prop_assert!(base >= last, "{base} after {last}");
            last = base;
            let wait = backoff.wait_ms(n, random);
            prop_assert!(wait <= base && (backoff.full_jitter || wait == base));
        }
    }

    #[test]
    fn an_exponential_backoff_is_the_power_of_its_factor(initial in 1..1_000_u64, factor in 1..5_u64, n in 1..12_u32) {
        let backoff = Backoff {
            shape: BackoffShape::Exponential,
            initial_ms: initial,
            factor_milli: factor * 1_000,
            max_ms: u64::MAX,
            full_jitter: false,
        };
        prop_assert_eq!(backoff.base_ms(n), initial * factor.pow(n - 1));
    }

    #[test]
    fn a_key_reads_back_from_its_text(sequence in 0..(1_u64 << 51), bucket in 0..BUCKETS, task in any::<bool>()) {
        let key = Key::new(sequence, Bucket::new(bucket));
        let kind = if task { IdKind::Task } else { IdKind::Job };
        let id = key.id(kind);
        prop_assert_eq!(Key::parse(&id), Some((kind, key)));
        prop_assert_eq!((key.sequence(), key.bucket().number()), (sequence, bucket));
        prop_assert_eq!(Key::from_raw(key.raw()), key);
        prop_assert_eq!(Bucket::of_id(&id), key.bucket());
    }

    #[test]
    fn keys_sort_as_their_sequences_and_their_texts_do(a in 0..(1_u64 << 51), b in 0..(1_u64 << 51), bucket in 0..BUCKETS) {
        let (left, right) = (Key::new(a, Bucket::new(bucket)), Key::new(b, Bucket::new(bucket)));
        prop_assert_eq!(left.cmp(&right), a.cmp(&b));
        prop_assert_eq!(left.id(IdKind::Task).cmp(&right.id(IdKind::Task)), a.cmp(&b));
    }

    #[test]
    fn a_text_is_a_key_only_if_the_key_writes_that_text(text in "[tjx]?[0-9a-zA-Z._-]{0,15}") {
        match Key::parse(&text) {
            Some((kind, key)) => prop_assert_eq!(key.id(kind), text),
            None => prop_assert_eq!(Bucket::of_id(&text), Bucket::of_text(&text)),
        }
    }

    #[test]
    fn a_task_of_a_job_is_found_by_its_index(sequence in 0..(1_u64 << 50), bucket in 0..BUCKETS, index in any::<u32>()) {
        let job = Key::new(sequence, Bucket::new(bucket));
        let task = job.task_of_job(index.min(u32::MAX - 1));
        prop_assert_eq!(job.index_of(task), index.min(u32::MAX - 1));
        prop_assert_eq!(task.bucket(), job.bucket());
        prop_assert!(task > job);
    }

    #[test]
    fn instants_saturate(from in any::<i64>(), ms in any_size()) {
        let at = Timestamp::from_millis(from);
        let later = at.plus_ms(ms);
        prop_assert!(later >= at);
        prop_assert_eq!(at.since(later), 0);
        prop_assert!(later.since(at) <= ms);
        prop_assert!(Key::first_sequence_at(at) < 1 << 51);
    }
}

#[test]
fn the_bucket_hash_never_changes() {
    for (text, bucket) in [("", 3155), ("task_101", 1367), ("job_202", 3930), ("naïve", 2724)] {
        assert_eq!((text, Bucket::of_text(text).number()), (text, bucket));
    }
}
