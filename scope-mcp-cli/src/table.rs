//! Rows and columns of plain text.

/// Aligns the columns of `rows`. The last cell of a row is as wide as it wants to be, and makes no column wider.
pub(crate) fn align(rows: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row).take(row.len().saturating_sub(1)) {
            *width = cell.chars().count().max(*width);
        }
    }
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (index, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if index + 1 < row.len() {
                    let gap = widths[index].saturating_sub(cell.chars().count()) + 2;
                    line.extend(std::iter::repeat_n(' ', gap));
                }
            }
            line.truncate(line.trim_end().len());
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let rows = [row(&["ä", "1", "long text"]), row(&["bbb", "22", ""]), row(&["c", "a long story"]), row(&[])];
        assert_eq!(align(&rows), ["ä    1   long text", "bbb  22", "c    a long story", ""]);
        assert!(align(&[]).is_empty());
    }
}
