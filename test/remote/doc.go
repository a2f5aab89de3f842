// Package remote tests two deployments, one of which keeps the buckets and the other their root keys.
package remote
