// Package iampolicy is the face by which IBM's clients manage access: policies
// in two versions, roles, and access groups.
//
// /v1/policies and /v2/policies are two views of one store: what is made in one
// is read, changed and deleted in the other under the same ID. What the first
// version has no words for, such as rules, it shows as a placeholder that points
// to the second.
package iampolicy
