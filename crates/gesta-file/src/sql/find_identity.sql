SELECT incarnation FROM identity
