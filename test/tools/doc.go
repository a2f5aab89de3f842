// Package tools holds no code but tests: the S3 tools that people type into a
// shell, against the program as it is built and started by its users. They are
// judges, so nothing of them is linked: the system's packages give aws, rclone
// and s3cmd; tools/setup builds the others, each at an exact version, into a
// folder of the user's cache.
//
// A tool that is not there makes its test skip, and fail where CI=true.
package tools
