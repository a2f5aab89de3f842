// Package sqlstore keeps what Strongroom must not forget in a SQL database: all
// SQL of the house is here, one schema, one transaction type.
//
// What is durable when: a method that writes returns nil only after the
// transaction is committed and synced (SQLite in WAL mode with synchronous
// FULL). A change, the event that records it and the news of it for the change
// feed are rows of the same transaction. The caches of this process hear of a
// change after the commit and before the method returns.
//
// Concurrency is settled by compare-and-swap on a revision: an update that
// finds another revision than it read changes nothing and returns [ErrStale].
//
// Rows that decide access carry a MAC over their table, and every column that
// matters, under a key that only the crypto module can open. Who writes the
// database may replay an old row, but cannot mint access. A row whose MAC does
// not match is an error, never an absence.
//
// Statements are written for SQLite and PostgreSQL alike: $1 placeholders, no
// now(), times as microseconds since 1970 UTC in BIGINT columns.
package sqlstore
