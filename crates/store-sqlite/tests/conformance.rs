//! The conformance suite of stores, over a file of its own for each case.

use std::cell::RefCell;
use std::sync::Arc;

use mainspring_store::Store;
use mainspring_store::conformance::Case;
use mainspring_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

/// Runs a case; its files go when it has ended.
fn run(case: Case) {
    let folders: RefCell<Vec<TempDir>> = RefCell::default();
    let open = || -> Arc<dyn Store> {
        let folder = TempDir::new().expect("a temporary folder can be made");
        // What a loss of power may take is not asked here.
        let options = Options { sync: false, readers: 1, ..Options::default() };
        let store = SqliteStore::open(folder.path().join("store.db"), options).expect("a new file can be opened");
        folders.borrow_mut().push(folder);
        store
    };
    case(&open);
}

macro_rules! stamp {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            run(mainspring_store::conformance::$case);
        }
    )*};
}
mainspring_store::for_each_conformance_case!(stamp);
