# The tag of jumps, which the C library leaves to the compiler's own runtime.
	.tagtype	__c_longjmp i32
	.globl	__c_longjmp
__c_longjmp:
