from stablerep.study.commands import main

main()
