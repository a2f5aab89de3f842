// Package cosconfig is the face of the resource configuration of buckets: quota, firewall, activity
// tracking, metrics and usage, as JSON on the control address (cos-api.md, section 22).
//
// It is reached from every address, whatever a bucket's firewall allows: or who has locked himself out
// could not let himself in again.
package cosconfig
