// Package resourcecontroller is the face by which IBM's clients know instances:
// Resource Controller and Resource Manager, with the answers of Global Catalog,
// Global Tagging, Global Search and the object store's list of endpoints that
// Terraform and the SDKs need around them.
//
// It holds to what clients were seen to depend on: a deleted instance is still
// found, with its state; members that a client reads without looking are never
// null; every answer is JSON.
package resourcecontroller
