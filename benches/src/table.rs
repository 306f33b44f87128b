//! The figures, for people and for programs.

use crate::measure::Row;

pub(crate) fn print(rows: &[Row]) {
    println!(
        "{:<6} {:>8}  {:<22} {:>10} {:>10} {:>8} {:>10}",
        "bench", "n", "peer", "ns min", "ns median", "allocs", "bytes"
    );
    for row in rows {
        println!(
            "{:<6} {:>8}  {:<22} {:>10.1} {:>10.1} {:>8.2} {:>10.1}",
            row.bench, row.n, row.peer, row.ns_min, row.ns_median, row.allocs, row.bytes
        );
    }
}

pub(crate) fn print_json(rows: &[Row]) {
    for row in rows {
        let row = serde_json::json!({
            "bench": row.bench, "n": row.n, "peer": row.peer,
            "ns_min": row.ns_min, "ns_median": row.ns_median, "allocs": row.allocs, "bytes": row.bytes,
        });
        println!("{row}");
    }
}
