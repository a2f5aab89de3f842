package backup

// CopyLines reads what stands in the chunks.
var CopyLines = copyLines
