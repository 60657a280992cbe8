"""The same quantities as `shallow.exact`, fast: cases, methods and the plan that picks one."""
