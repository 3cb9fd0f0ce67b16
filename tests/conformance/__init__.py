"""The real SDKs against recorded and hand-written answers: is every event equal to the wire?"""
