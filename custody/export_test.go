package custody

// Expand and OpenGCM are the parts of the seal that published vectors test one by one.
var (
	Expand  = expand
	OpenGCM = openGCM
)
