"""Live heads: one for each project, kept by the process that leads. It learns from each label within a second, orders
the queue, and tells what the labels are worth. All that it knows is made anew from responses and labels at any time."""
