//! A terminal in memory, for tests of what a terminal shows. As on a real one, a text continues on the next row when
//! its row is full; the display fills its rows with spaces and relies on that.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use indicatif::TermLike;

/// Terminal of a width, in columns, that scrolls without limit. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    width: u16,
    cells: Arc<Mutex<Cells>>,
}

/// Written rows and the place of the cursor.
#[derive(Debug, Default)]
struct Cells {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// True if a text was wider than the terminal.
    has_overlong: bool,
}

impl Screen {
    pub(super) fn new(width: u16) -> Self {
        Self { width, cells: Arc::default() }
    }

    /// Rows without spaces at their ends, up to the last row with text.
    pub(super) fn rows(&self) -> Vec<String> {
        let cells = self.cells();
        assert!(!cells.has_overlong, "a line is wider than {} columns: {:?}", self.width, cells.rows);
        let mut rows: Vec<String> =
            cells.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().expect("not poisoned")
    }

    fn change(&self, change: impl FnOnce(&mut Cells)) {
        let mut cells = self.cells();
        change(&mut cells);
        let row = cells.row;
        if cells.rows.len() <= row {
            cells.rows.resize(row + 1, Vec::new());
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.change(|cells| cells.row = cells.row.saturating_sub(n));
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.change(|cells| cells.row += n);
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.change(|cells| cells.column += n);
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.change(|cells| cells.column = cells.column.saturating_sub(n));
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.change(|cells| (cells.row, cells.column) = (cells.row + 1, 0));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let width = usize::from(self.width);
        for symbol in text.chars() {
            self.change(|cells| match symbol {
                '\r' => cells.column = 0,
                _ if cells.column == width => (cells.row, cells.column) = (cells.row + 1, 0),
                _ => {}
            });
            self.change(|cells| {
                cells.has_overlong |= text.chars().count() > width;
                if symbol != '\r' {
                    let (row, column) = (cells.row, cells.column);
                    let row = &mut cells.rows[row];
                    row.resize(row.len().max(column + 1), ' ');
                    row[column] = symbol;
                    cells.column += 1;
                }
            });
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.change(|_| {});
        self.change(|cells| {
            let row = cells.row;
            cells.rows[row].clear();
            cells.column = 0;
        });
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
